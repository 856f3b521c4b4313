// get URL: Go's net/http reads an answer to its end; status 1 if that is an error.
package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
	}
	if err != nil {
		os.Exit(1)
	}
}
