package dashboard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// sessionLife is how long a session lasts, whatever is done in it.
const sessionLife = 12 * time.Hour

// clockSlack is how far back the clock may be put while a session lasts.
const clockSlack = time.Minute

// session is who looks at the pages. It lives in a cookie, and nowhere else.
type session struct {
	ID      []byte `json:"i"`           // random; what the token of its forms is made of
	Token   string `json:"t,omitempty"` // "": nobody has signed in yet
	Expires int64  `json:"e"`           // unix seconds
}

var errNoSession = errors.New("there is no session")

// sealer makes sessions into cookies and back.
type sealer struct {
	aead cipher.AEAD
	form []byte // key of what goes into forms
	name string // of the cookie
	now  func() time.Time
}

// newSealer panics where key has another length than 32 bytes.
func newSealer(key []byte, now func() time.Time) *sealer {
	block, err := aes.NewCipher(derive(key, "session"))
	if err != nil {
		panic(fmt.Sprintf("make cipher: %v", err))
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("make cipher: %v", err))
	}
	// Cookies go by the host without the port: nodes of one machine must not take
	// each other's.
	return &sealer{aead: aead, form: derive(key, "form"), name: "godwit-" + hex.EncodeToString(derive(key, "name")[:4]), now: now}
}

func derive(key []byte, use string) []byte {
	derived, err := hkdf.Key(sha256.New, key, nil, "godwit dashboard "+use, 32)
	if err != nil {
		panic(fmt.Sprintf("derive key: %v", err))
	}
	return derived
}

// begin returns a new session for a token.
func (s *sealer) begin(token string) *session {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails: it ends the process first
	return &session{ID: id, Token: token, Expires: s.now().Add(sessionLife).Unix()}
}

// cookieName is one that a page of another host cannot set, where there is TLS. Who
// has not signed in has a cookie apart: a link from elsewhere comes without the
// session's, and what is then answered must not take its place.
func (s *sealer) cookieName(r *http.Request, signedIn bool) string {
	name := s.name
	if !signedIn {
		name += "-front"
	}
	if secure(r) {
		return "__Host-" + name
	}
	return name
}

// give has the browser keep a session.
func (s *sealer) give(w http.ResponseWriter, r *http.Request, one *session) {
	text, err := json.Marshal(one)
	if err != nil {
		panic(fmt.Sprintf("encode session: %v", err)) // it always can be
	}
	name := s.cookieName(r, one.Token != "")
	sealed := s.aead.Seal(nil, nil, text, []byte(name))
	s.set(w, r, name, base64.RawURLEncoding.EncodeToString(sealed), int(sessionLife/time.Second))
}

// take has the browser forget its session.
func (s *sealer) take(w http.ResponseWriter, r *http.Request) {
	s.set(w, r, s.cookieName(r, true), "", -1)
}

func (s *sealer) set(w http.ResponseWriter, r *http.Request, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode,
	})
}

// of returns the session that a request is part of. Error: errNoSession, for one that
// is past its time, or was begun by a clock that was ahead, too.
func (s *sealer) of(r *http.Request) (*session, error) { return s.open(r, true) }

// visit returns the session, without a token, of who looks at the sign-in. Error:
// errNoSession.
func (s *sealer) visit(r *http.Request) (*session, error) { return s.open(r, false) }

func (s *sealer) open(r *http.Request, signedIn bool) (*session, error) {
	name := s.cookieName(r, signedIn)
	cookie, err := r.Cookie(name)
	if err != nil {
		return nil, errNoSession
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil, errNoSession
	}
	text, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errNoSession
	}
	one := new(session)
	now := s.now()
	if json.Unmarshal(text, one) != nil || signedIn != (one.Token != "") ||
		one.Expires <= now.Unix() || one.Expires > now.Add(sessionLife+clockSlack).Unix() {
		return nil, errNoSession
	}
	return one, nil
}

// formToken is what every form of a session carries, and no other page can know: the
// session's id, and what proves that this node gave it to who has signed in, or has not.
func (s *sealer) formToken(one *session) string {
	mac := hmac.New(sha256.New, s.form)
	if one.Token == "" {
		mac.Write([]byte("front "))
	} else {
		mac.Write([]byte("pages "))
	}
	mac.Write(one.ID)
	return base64.RawURLEncoding.EncodeToString(one.ID) + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *sealer) formTokenFits(one *session, given string) bool {
	return hmac.Equal([]byte(given), []byte(s.formToken(one)))
}

// formTokenOfAny tells whether a form is from a page of anyone who has signed in, also in a
// session that has ended.
func (s *sealer) formTokenOfAny(given string) bool {
	text, _, _ := strings.Cut(given, ".")
	id, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && s.formTokenFits(&session{ID: id, Token: "any"}, given)
}
