// server.go OPERATION...: the way of a Go program to serve connections, and its ways to end.
//
//	accept      accepts a connection, and writes "Hello." to it
//	close       closes it
//	read        reads what the peer sends until it ends, and says "read N bytes"
//	idle        closes it when nothing came for 100 ms, as http.Server does
//	panic       in main; goroutine: in another goroutine; map: fatal error for concurrent writes to a map
//	exit:N      os.Exit; fatal: log.Fatal
//	defer       what follows is a function with a deferred connection.Close()
//	later:N     what follows is a function with a deferred close and os.Exit
//	handler     instead of that: an http.Server, whose handler panics; goes on for one request
//	notify:N    waits for SIGTERM, then os.Exit
//	churn       keeps threads starting and ending
//	garbage     keeps the collector busy
//	wait        says "ready", and waits to be killed
//
// It says "port N" first. A failure ends it with status 99.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var listener net.Listener
var connection net.Conn
var garbage []byte

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(99)
	}
}

func accept() {
	var err error
	connection, err = listener.Accept()
	must(err)
	_, err = io.WriteString(connection, "Hello.")
	must(err)
}

func read() {
	n, err := io.Copy(io.Discard, connection)
	must(err)
	fmt.Printf("read %d bytes\n", n)
}

func idle() {
	must(connection.SetReadDeadline(time.Now().Add(100 * time.Millisecond)))
	connection.Read(make([]byte, 1))
	must(connection.Close())
}

// The runtime finds that out by a flag in the map, and throws.
func writeMap() {
	shared := map[int]int{}
	for i := 0; i < 4; i++ {
		go func() {
			for {
				shared[1]++
				runtime.Gosched()
			}
		}()
	}
	select {}
}

// A goroutine that ends locked to its thread takes the thread with it.
func churn() {
	go func() {
		for {
			go runtime.LockOSThread()
			time.Sleep(time.Millisecond)
		}
	}()
}

func makeGarbage() {
	for i := 0; i < 4; i++ {
		go func() {
			for {
				garbage = make([]byte, 1<<16)
			}
		}()
	}
}

func notify(status int) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Println("ready")
	<-asked
	os.Exit(status)
}

func main() {
	var err error
	listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	perform(os.Args[1:])
}

func deferred(operations []string) {
	defer connection.Close()
	perform(operations)
}

func later(status int, operations []string) {
	defer func() {
		connection.Close()
		os.Exit(status)
	}()
	perform(operations)
}

// The server of the library recovers what a handler panics with, and closes the connection.
func handler() {
	done := make(chan bool)
	log.SetOutput(io.Discard)
	server := http.Server{
		Handler:   http.HandlerFunc(func(writer http.ResponseWriter, _ *http.Request) {
			io.WriteString(writer, "Hello.")
			writer.(http.Flusher).Flush()
			panic("in a handler")
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(done)
			}
		},
	}
	go server.Serve(listener)
	<-done
}

func perform(operations []string) {
	for i, operation := range operations {
		rest := operations[i+1:]
		name, argument, _ := strings.Cut(operation, ":")
		status, _ := strconv.Atoi(argument)
		switch name {
		case "accept":
			accept()
		case "close":
			must(connection.Close())
		case "read":
			read()
		case "idle":
			idle()
		case "panic":
			panic("in main")
		case "goroutine":
			go func() { panic("in a goroutine") }()
			select {}
		case "map":
			writeMap()
		case "exit":
			os.Exit(status)
		case "fatal":
			log.Fatal("fatal")
		case "defer":
			deferred(rest)
			return
		case "later":
			later(status, rest)
			return
		case "handler":
			handler()
		case "notify":
			notify(status)
		case "churn":
			churn()
		case "garbage":
			makeGarbage()
		case "wait":
			fmt.Println("ready")
			for {
				time.Sleep(time.Hour)
			}
		default:
			must(fmt.Errorf("unknown operation: %s", operation))
		}
	}
}
