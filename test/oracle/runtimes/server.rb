# server.rb WAY: see README.md.
require 'socket'

$stdout.sync = true
$listener = TCPServer.new('127.0.0.1', 0)
puts "port #{$listener.addr[1]}"

def accepted
  connection = $listener.accept
  connection.write('Hello.')
  connection
end

def deeper
  deeper + 1
end

def main
  connection = accepted
  3
end

way = ARGV[0]
exit main if way == 'return'
if way == 'thread'
  begin
    Thread.new { connection = accepted; raise 'nobody catches this' }.join
  rescue RuntimeError
    GC.start
  end
else
  connection = accepted
end
case way
when 'close' then connection.close
when 'drop'
  connection = nil
  GC.start
when 'exit-0', 'exit-3' then exit way[-1].to_i
when 'exception' then raise 'nobody catches this'
when 'abort' then Process.kill(:ABRT, $$)
when 'segv' then Process.kill(:SEGV, $$)
when 'stack' then deeper
when 'oom'
  garbage = []
  garbage << 'x' * (1 << 20) while true
end
puts 'waiting'
sleep 20
