// server WAY: see README.md.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		os.Exit(99)
	}
}

func accept(listener net.Listener) net.Conn {
	connection, err := listener.Accept()
	must(err)
	_, err = connection.Write([]byte("Hello."))
	must(err)
	return connection
}

func deeper(n int) int { return deeper(n+1) + n }

func drop(listener net.Listener) { accept(listener) }

func end(way string, connection net.Conn) {
	var nothing *int
	var garbage [][]byte
	switch way {
	case "close":
		connection.Close()
	case "exit-0":
		os.Exit(0)
	case "exit-3":
		os.Exit(3)
	case "exception":
		panic("nobody recovers from this")
	case "abort":
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
	case "segv":
		*nothing = 1
	case "stack":
		// Not the gigabyte that is usual: Go looks at each frame of it before it dies.
		debug.SetMaxStack(64 << 20)
		fmt.Println(deeper(0))
	case "oom":
		for {
			garbage = append(garbage, make([]byte, 1<<20))
			for i := range garbage[len(garbage)-1] {
				garbage[len(garbage)-1][i] = 1
			}
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	var connection net.Conn
	switch os.Args[1] {
	case "thread":
		go func() {
			accept(listener)
			panic("nobody recovers from this")
		}()
		time.Sleep(20 * time.Second)
	case "drop":
		drop(listener)
		for i := 0; i < 5; i++ {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
	default:
		connection = accept(listener)
		end(os.Args[1], connection)
	}
	fmt.Println("waiting")
	time.Sleep(20 * time.Second)
	runtime.KeepAlive(connection)
}
