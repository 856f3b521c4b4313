#!/usr/bin/env escript
%% receive PORT [show]: gen_tcp reads to the end; status 1 if that is anything else than "closed".
main([Port | Show]) ->
    Options = [binary, {active, false}] ++ [{show_econnreset, true} || Show =/= []],
    {ok, Socket} = gen_tcp:connect("127.0.0.1", list_to_integer(Port), Options),
    receive_all(Socket).

receive_all(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, _} -> receive_all(Socket);
        {error, closed} -> halt(0);
        {error, _} -> halt(1)
    end.
