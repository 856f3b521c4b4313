// get URL...: Go's net/http reads an answer to its end; status 1 if that is an error. Between two URLs it says "next", and waits
// for a line.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	lines := bufio.NewReader(os.Stdin)
	for i, url := range os.Args[1:] {
		if i > 0 {
			fmt.Println("next")
			lines.ReadString('\n')
		}
		answer, err := http.Get(url)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		if err != nil {
			os.Exit(1)
		}
	}
}
