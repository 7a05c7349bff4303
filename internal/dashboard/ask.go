package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/godwitkv/godwit"
)

// maxAnswer bounds what is taken of an answer of the node's own APIs: ten thousand
// tokens fit.
const maxAnswer = 32 << 20

// ask has the node's own APIs carry a request out with the token of who is signed
// in, and reads the answer into out unless that is nil. An error is a *problem.
func (d *Dashboard) ask(c *call, method, path string, body, out any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
	}
	r, err := d.apiRequest(c, method, path, text)
	if err != nil {
		return err
	}
	answer := &recorder{header: make(http.Header)}
	d.cfg.API.ServeHTTP(answer, r)
	switch {
	case answer.overflowed:
		return fmt.Errorf("read answer: over %d bytes", maxAnswer)
	case answer.status >= http.StatusBadRequest:
		return refusal(answer)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer.body.Bytes(), out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// apiRequest is a request to the node's own APIs as if it came over the network.
func (d *Dashboard) apiRequest(c *call, method, path string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(c.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.RequestURI, r.RemoteAddr, r.Host = path, c.RemoteAddr, c.Host
	r.Header.Set("Authorization", "Bearer "+c.session.Token)
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// recorder is an http.ResponseWriter that keeps the answer.
type recorder struct {
	header     http.Header
	status     int
	body       bytes.Buffer
	overflowed bool
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.body.Len()+len(p) > maxAnswer {
		r.overflowed = true
		return 0, errors.New("the answer is too long")
	}
	return r.body.Write(p)
}

// titleTaken is the number that the REST API gives for a title that is taken.
const titleTaken = 10014

// refusal is what an API says in an answer that is an error, in the form of either.
func refusal(answer *recorder) error {
	var told struct {
		Error  struct{ Message string }
		Errors []struct {
			Code    int
			Message string
		}
	}
	p := &problem{status: answer.status, title: "That did not work", text: "The node refused it."}
	if json.Unmarshal(answer.body.Bytes(), &told) == nil {
		if told.Error.Message != "" {
			p.text = told.Error.Message
		}
		if len(told.Errors) > 0 {
			p.text = told.Errors[0].Message
			if told.Errors[0].Code == titleTaken {
				p.text = explain(&godwit.Error{Code: godwit.CodeNamespaceExists}).text
			}
		}
	}
	if p.title = titleOf(answer.status); answer.status == http.StatusForbidden {
		return godwit.ErrForbidden
	}
	return p
}

// nodeStatus is the node's account of itself, as far as pages show it.
type nodeStatus struct {
	Role          string    `json:"role"`
	Location      string    `json:"location"`
	Account       string    `json:"account"`
	Jurisdictions []string  `json:"jurisdictions"`
	ClusterID     string    `json:"cluster_id"`
	Revision      string    `json:"revision"`
	Ready         bool      `json:"ready"`
	StalenessMS   int64     `json:"staleness_ms"`
	Keys          int64     `json:"keys"`
	Bytes         int64     `json:"bytes"`
	Followers     int       `json:"followers"`
	BindingURL    string    `json:"binding_url"`
	DiskFull      bool      `json:"disk_full"`
	Version       string    `json:"version"`
	UptimeSeconds int64     `json:"uptime_seconds"`
	Problem       string    `json:"problem"`
	Upstream      string    `json:"upstream"`
	Connected     bool      `json:"connected"`
	Lag           int64     `json:"lag"`
	Progress      string    `json:"progress"`
	Cluster       *struct{} `json:"cluster"`
	Tree          *treeNode `json:"tree"`
	Unknown       bool      `json:"-"` // the node did not say
}

// nodeStatus asks the node how it is.
func (d *Dashboard) nodeStatus(c *call) nodeStatus {
	var s nodeStatus
	if err := d.ask(c, http.MethodGet, "/godwit/v1/status", nil, &s); err != nil {
		return nodeStatus{Unknown: true}
	}
	return s
}

// Kind is the node's role in a word that people know it by.
func (s nodeStatus) Kind() string {
	switch {
	case s.Role == "edge":
		return "edge"
	case s.Cluster != nil:
		return "member"
	default:
		return "centre"
	}
}

// Cut tells that this edge does not hear of the node that it follows.
func (s nodeStatus) Cut() bool { return s.Role == "edge" && !s.Connected }

// Stale is for how long this node may have missed a write, in words.
func (s nodeStatus) Stale() string { return staleness(s.StalenessMS) }

func staleness(ms int64) string {
	switch d := time.Duration(ms) * time.Millisecond; {
	case ms < 0:
		return "unknown"
	case d < time.Second:
		return fmt.Sprintf("%d ms", ms)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return span(d)
	}
}

// pulse shows how the node is, for a page that stays open.
func (d *Dashboard) pulse(c *call) error {
	d.writePart(c.w, c.Request, 0, "problem", "pulse", view{Node: d.nodeStatus(c)})
	return nil
}
