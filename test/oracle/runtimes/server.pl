# server.pl WAY: see README.md.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my $way = $ARGV[0];
$| = 1;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or POSIX::_exit(99);
print 'port ', $listener->sockport, "\n";

sub accepted {
    my $connection = $listener->accept or POSIX::_exit(99);
    $connection->syswrite('Hello.');
    return $connection;
}

sub main {
    my $connection = accepted();
    return 3;
}

exit main() if $way eq 'return';
my $connection;
if ($way eq 'thread') {
    require threads;
    threads->create(sub { my $mine = accepted(); die "nobody catches this\n" })->join;
} else {
    $connection = accepted();
}
if ($way eq 'close') { $connection->close }
elsif ($way eq 'drop') { undef $connection }
elsif ($way =~ /^exit-(\d)$/) { exit $1 }
elsif ($way eq 'exception') { die "nobody catches this\n" }
elsif ($way eq 'abort') { POSIX::abort() }
elsif ($way eq 'segv') { kill 'SEGV', $$ }
elsif ($way eq 'oom') { my @garbage; push @garbage, 'x' x (1 << 20) while 1 }
print "waiting\n";
sleep 20;
