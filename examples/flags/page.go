package main

import (
	"fmt"
	"net/http"
	"time"
)

const readHeaderTimeout = 10 * time.Second

// page is what a flag decides about.
func page(f *flags) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := "the old checkout"
		if f.on("new-checkout") {
			text = "the new checkout"
		}
		fmt.Fprintln(w, text)
	})
}
