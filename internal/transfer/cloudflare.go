package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/godwitkv/godwit/internal/pause"
)

// What Cloudflare's API allows.
const (
	// CloudflareRate is how many requests it takes in five minutes.
	CloudflareRate = 1200

	rateWindow  = 5 * time.Minute
	rateBurst   = 20
	listLimit   = 1000
	bulkGetKeys = 100
	bulkItems   = 10_000
	bulkBytes   = 90_000_000 // of 100 MB
	// cloudflareSoon is how near the end of an item is too near.
	cloudflareSoon = 90
)

// How a request is tried again.
const (
	cloudflareAttempts = 10
	maxRetryWait       = 10 * time.Minute
	maxReplyBytes      = 256 << 20
	maxErrorBytes      = 64 << 10
)

// Cloudflare is a namespace at Cloudflare, or at whatever else speaks its API. It keeps
// to the limits of the API and is patient with those who say that there are others.
type Cloudflare struct {
	BaseURL   string // such as https://api.cloudflare.com/client/v4
	Token     string
	Account   string // id
	Namespace string // id
	Rate      int    // requests in five minutes, 0: CloudflareRate
	HTTP      *http.Client

	limiter *rate.Limiter
	root    string
}

// Open checks what it was given. It sends nothing.
func (c *Cloudflare) Open() error {
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.RawQuery != "":
		return errors.New("Cloudflare's base URL is not of the form https://host/client/v4") //nolint:staticcheck // a name
	case c.Token == "":
		return errors.New("no token for Cloudflare")
	case strings.ContainsAny(c.Token, "\r\n"):
		return errors.New("the token for Cloudflare holds a line break")
	case !isID(c.Account):
		return errors.New("Cloudflare's account is not 32 hexadecimal characters") //nolint:staticcheck // a name
	case !isID(c.Namespace):
		return errors.New("Cloudflare's namespace is not 32 hexadecimal characters") //nolint:staticcheck // a name
	case c.Rate < 0 || c.Rate > 1_000_000:
		return fmt.Errorf("%d requests in five minutes are not between 1 and 1000000", c.Rate)
	}
	if c.Rate == 0 {
		c.Rate = CloudflareRate
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Timeout:       5 * time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token goes nowhere else
		}
	}
	// What is left of the window's requests after a burst comes evenly, so that no
	// window has more.
	burst := min(rateBurst, max(c.Rate/2, 1))
	c.limiter = rate.NewLimiter(rate.Limit(float64(max(c.Rate-burst, 1))/rateWindow.Seconds()), burst)
	c.root = strings.TrimRight(c.BaseURL, "/") + "/accounts/" + c.Account + "/storage/kv/namespaces/" + c.Namespace
	return nil
}

// String names it, for checkpoints and errors.
func (c *Cloudflare) String() string { return "namespace " + c.Namespace + " at " + c.BaseURL }

// CloudflareError is what Cloudflare answered instead of what was asked.
type CloudflareError struct {
	Status  int
	Code    int
	Message string
}

// Error implements error.
func (e *CloudflareError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("Cloudflare answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("Cloudflare answered: %s (HTTP %d, code %d)", e.Message, e.Status, e.Code)
}

// slowDown tells that it asks to wait.
func (e *CloudflareError) slowDown() bool {
	switch e.Code {
	case 971, 6100, 10022, 10046:
		return true
	}
	return e.Status == http.StatusTooManyRequests
}

// do sends a request until it is answered as hoped, or refused for good. The caller
// closes the body.
func (c *Cloudflare) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		if err := c.limiter.Wait(ctx); err != nil {
			return nil, fmt.Errorf("wait for a turn: %w", err)
		}
		res, wait, err := c.once(ctx, method, path, body)
		if err == nil {
			return res, nil
		}
		var e *CloudflareError
		again := !errors.As(err, &e) || e.slowDown() || e.Status >= 500
		if !again || attempt == cloudflareAttempts || ctx.Err() != nil {
			return nil, err
		}
		if wait <= 0 {
			wait = min(time.Second<<(attempt-1), rateWindow)
		}
		if !pause.For(ctx, min(wait, maxRetryWait)) {
			return nil, context.Cause(ctx)
		}
	}
}

// once sends a request. wait is how long it was asked to wait; 0: not said.
func (c *Cloudflare) once(ctx context.Context, method, path string, body []byte) (res *http.Response, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.root+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("User-Agent", "godwit-cli")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err = c.HTTP.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, 0, fmt.Errorf("reach Cloudflare: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res, 0, nil
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes)) // the status alone is an error too
	_ = res.Body.Close()
	return nil, retryAfter(res.Header), cloudflareError(res.StatusCode, text)
}

// retryAfter reads how long to wait, in seconds or until a time.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return time.Until(at)
	}
	return 0
}

// reply is what Cloudflare wraps answers in.
type reply struct {
	Success bool            `json:"success"`
	Result  json.RawMessage `json:"result"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	ResultInfo struct {
		Cursor string `json:"cursor"`
	} `json:"result_info"`
}

func cloudflareError(status int, text []byte) error {
	e := &CloudflareError{Status: status}
	var r reply
	if json.Unmarshal(text, &r) == nil && len(r.Errors) > 0 {
		e.Code, e.Message = r.Errors[0].Code, clip(r.Errors[0].Message)
	}
	return e
}

// ask sends a request that is answered with JSON, and decodes its result. It returns
// the cursor of a list.
func (c *Cloudflare) ask(ctx context.Context, method, path string, body []byte, result any) (cursor string, err error) {
	for attempt := 1; ; attempt++ {
		res, err := c.do(ctx, method, path, body)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes))
		_ = res.Body.Close()
		if err != nil {
			if attempt < cloudflareAttempts && ctx.Err() == nil {
				continue // it broke off
			}
			return "", fmt.Errorf("read Cloudflare's answer: %w", err)
		}
		var r reply
		if err := json.Unmarshal(text, &r); err != nil {
			return "", errors.New("Cloudflare's answer is not what it should be") //nolint:staticcheck // a name
		}
		if !r.Success {
			err := cloudflareError(http.StatusOK, text)
			if e, ok := err.(*CloudflareError); ok && e.slowDown() && attempt < cloudflareAttempts { //nolint:errorlint // just made
				if !pause.For(ctx, min(time.Second<<(attempt-1), rateWindow)) {
					return "", context.Cause(ctx)
				}
				continue
			}
			return "", err
		}
		if result != nil {
			if err := json.Unmarshal(r.Result, result); err != nil {
				return "", errors.New("Cloudflare's answer is not what it should be") //nolint:staticcheck // a name
			}
		}
		return r.ResultInfo.Cursor, nil
	}
}
