// work KIND UNITS: a fixed amount of work, and on standard output the seconds that it took.
//
//	collect   four goroutines make garbage of pointers, for the collector to follow
//	preempt   goroutines that never yield are interrupted for a collection every time
//	echo      bytes there and back on 32 connections with itself
//	files     opens and closes a file
//	answer    says "port N", accepts, answers a byte and closes; the client measures
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func inParallel(n int, do func()) {
	var group sync.WaitGroup
	for i := 0; i < n; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			do()
		}()
	}
	group.Wait()
}

func collect(units int) {
	inParallel(4, func() {
		for i := 0; i < units; i++ {
			tree(12)
		}
	})
}

func preempt(units int) {
	var stop, sum int64
	for i := 0; i < 2*runtime.GOMAXPROCS(0); i++ {
		go func() {
			for atomic.LoadInt64(&stop) == 0 {
				for j := int64(0); j < 1e6; j++ {
					sum += j
				}
			}
		}()
	}
	for i := 0; i < units; i++ {
		runtime.GC()
	}
	atomic.StoreInt64(&stop, 1)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "work:", err)
		os.Exit(99)
	}
}

func echo(units int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		for {
			connection, err := listener.Accept()
			must(err)
			go io.Copy(connection, connection)
		}
	}()
	inParallel(32, func() {
		connection, err := net.Dial("tcp", listener.Addr().String())
		must(err)
		text := make([]byte, 64)
		for i := 0; i < units; i++ {
			_, err = connection.Write(text)
			must(err)
			_, err = io.ReadFull(connection, text)
			must(err)
		}
	})
}

func files(units int) {
	for i := 0; i < units; i++ {
		file, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
		must(err)
		must(syscall.Close(file))
	}
}

func answer(units int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	var group sync.WaitGroup
	for i := 0; i < units; i++ {
		connection, err := listener.Accept()
		must(err)
		group.Add(1)
		go func() {
			defer group.Done()
			connection.Write([]byte{'.'})
			connection.Close()
		}()
	}
	group.Wait()
}

func main() {
	units, err := strconv.Atoi(os.Args[2])
	must(err)
	begin := time.Now()
	work := map[string]func(int){"collect": collect, "preempt": preempt, "echo": echo, "files": files, "answer": answer}
	work[os.Args[1]](units)
	fmt.Println(time.Since(begin).Seconds())
}
