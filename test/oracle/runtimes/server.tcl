# server.tcl WAY: see README.md.
fconfigure stdout -buffering line
set way [lindex $argv 0]

proc deeper {} { deeper }

proc raise signal {
    exec kill -$signal [pid]
    after 20000
}

proc end {} {
    global way connection
    switch $way {
        close { close $connection }
        drop { unset connection }
        exit-0 { exit 0 }
        exit-3 { exit 3 }
        exception { error "nobody catches this" }
        abort { raise ABRT }
        segv { raise SEGV }
        stack { deeper }
        oom { while 1 { lappend garbage [string repeat x 1000000][incr n] } }
    }
    puts waiting
    after 20000 exit
}

proc accepted {channel address port} {
    global connection
    set connection $channel
    fconfigure $channel -buffering none
    puts -nonewline $channel Hello.
    set ::accepted 1
}

set listener [socket -server accepted -myaddr 127.0.0.1 0]
puts "port [lindex [fconfigure $listener -sockname] 2]"
vwait accepted
end
vwait forever
