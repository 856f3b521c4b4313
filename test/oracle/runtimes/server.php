<?php
// server.php WAY: see README.md.
ini_set('memory_limit', $argv[1] == 'oom' ? '-1' : '128M');
$listener = stream_socket_server('tcp://127.0.0.1:0');
echo 'port ', substr(strrchr(stream_socket_get_name($listener, false), ':'), 1), "\n";

function accepted()
{
    global $listener;
    $connection = stream_socket_accept($listener, 20);
    fwrite($connection, 'Hello.');
    return $connection;
}

function deeper()
{
    return deeper() + 1;
}

function main()
{
    $connection = accepted();
    return 3;
}

if ($argv[1] == 'return')
    exit(main());
$connection = accepted();
switch ($argv[1]) {
case 'close': fclose($connection); break;
case 'drop': unset($connection); gc_collect_cycles(); break;
case 'exit-0': exit(0);
case 'exit-3': exit(3);
case 'exception': throw new Exception('nobody catches this');
case 'abort': posix_kill(posix_getpid(), 6); break;
case 'segv': posix_kill(posix_getpid(), 11); break;
case 'stack': deeper(); break;
case 'oom': for (;;) $garbage[] = str_repeat('x', 1 << 20);
}
echo "waiting\n";
sleep(20);
