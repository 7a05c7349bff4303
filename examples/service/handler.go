package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/replica"
)

// maxValueBytes is what this service takes, much less than godwit does.
const maxValueBytes = 1 << 20

func handler(r *replica.Replica, ns *replica.Namespace) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /birds/{name}", func(w http.ResponseWriter, req *http.Request) {
		value, err := ns.Value(req.Context(), req.PathValue("name"))
		if err != nil {
			fail(w, err)
			return
		}
		fmt.Fprintf(w, "%s\n", value)
	})
	mux.HandleFunc("PUT /birds/{name}", func(w http.ResponseWriter, req *http.Request) {
		body := http.MaxBytesReader(w, req.Body, maxValueBytes)
		if _, err := ns.Put(req.Context(), req.PathValue("name"), body, replica.PutOptions{}); err != nil {
			fail(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		s := r.Status()
		fmt.Fprintf(w, "connected %t, %d keys\n", s.Connected, s.Keys)
	})
	return mux
}

// fail tells what a client can do about err.
func fail(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	switch code := godwit.CodeOf(err); {
	case errors.Is(err, godwit.ErrKeyNotFound):
		http.Error(w, "no such bird", http.StatusNotFound)
	case errors.As(err, &tooLarge):
		http.Error(w, "too much for a bird", http.StatusRequestEntityTooLarge)
	case code == godwit.CodeUnavailable:
		http.Error(w, "no writing now: try again", http.StatusServiceUnavailable)
	default:
		http.Error(w, godwit.MessageOf(err), http.StatusBadGateway)
	}
}
