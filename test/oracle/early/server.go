// A static server of Go's own library that answers every upload at once with 413, and prints "port N".
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func early(writer http.ResponseWriter, _ *http.Request) {
	writer.Header().Set("Connection", "close")
	writer.WriteHeader(http.StatusRequestEntityTooLarge)
	io.WriteString(writer, "too large\n")
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(early))
}
