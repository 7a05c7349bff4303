package cache

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// readResponse reads a response as workerd sends it to be stored. Of one whose length it
// does not know workerd says that it comes in chunks, and sends its bytes alone: it ends
// with the request.
func readResponse(r io.Reader) (*http.Response, error) {
	rest := bufio.NewReader(io.LimitReader(r, maxOverhead))
	var head bytes.Buffer
	for !bytes.HasSuffix(head.Bytes(), []byte("\n\r\n")) {
		line, err := rest.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("look for the end of the head: %w", err)
		}
		if name, _, _ := strings.Cut(line, ":"); !strings.EqualFold(name, "Transfer-Encoding") {
			head.WriteString(line)
		}
	}
	whole := io.MultiReader(&head, rest, r)
	return http.ReadResponse(bufio.NewReader(whole), &http.Request{Method: http.MethodGet})
}
