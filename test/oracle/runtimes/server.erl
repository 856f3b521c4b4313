%% server.erl WAY, an escript: see README.md.
-module(server).
-export([main/1]).

accepted(Listener) ->
    {ok, Connection} = gen_tcp:accept(Listener),
    ok = gen_tcp:send(Connection, "Hello."),
    Connection.

waiting() ->
    io:format("waiting~n"),
    timer:sleep(20000).

garbage(All) -> garbage([binary:copy(<<"x">>, 1048576) | All]).

raise(Signal) ->
    os:cmd("kill -" ++ Signal ++ " " ++ os:getpid()),
    timer:sleep(20000).

die("close", Connection) -> gen_tcp:close(Connection), waiting();
die("exit-0", _) -> erlang:halt(0);
die("exit-3", _) -> erlang:halt(3);
die("return", _) -> init:stop(3), timer:sleep(20000);
die("exception", _) -> error(nobody_catches_this);
die("abort", _) -> erlang:halt(abort);
die("segv", _) -> raise("SEGV");
die("oom", _) -> garbage([]);
die(_, _) -> waiting().

main([Way]) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, {active, false}]),
    {ok, Port} = inet:port(Listener),
    io:format("port ~B~n", [Port]),
    case Way of
        "thread" ->
            {_, Monitor} = spawn_monitor(fun() -> accepted(Listener), error(nobody_catches_this) end),
            receive {'DOWN', Monitor, _, _, _} -> waiting() end;
        _ -> die(Way, accepted(Listener))
    end.
