package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// dashboardEnded types a text while the session ends, signs in elsewhere in the browser, and
// saves it. A page on which nothing was typed is led away.
func dashboardEnded(t *testing.T, b, idle *tab, s *server) {
	ns := s.createNamespace("ended")
	s.put(ns, "k", "before")
	token := func() (made struct{ Token, ID string }) {
		body := `{"permission":"write","namespaces":["` + ns + `"]}`
		if _, got, err := s.do(http.MethodPost, "http://"+s.api+"/godwit/v1/tokens", strings.NewReader(body)); err != nil || json.Unmarshal(got, &made) != nil || made.ID == "" {
			t.Fatalf("create token: %v %s", err, got)
		}
		return made
	}
	first := token()
	for _, one := range []*tab{b, idle} {
		one.signIn(first.Token)
		one.open("/dashboard/key" + keyQuery(ns, "k"))
	}
	b.fill("#text", "an hour's work")
	if res, got, err := s.do(http.MethodDelete, "http://"+s.api+"/godwit/v1/tokens/"+first.ID, nil); err != nil || res.StatusCode != 200 {
		t.Fatalf("revoke: %v %s", err, got)
	}
	idle.await(`document.querySelector("#token")`)
	idle.sees("The session has ended")
	b.await(`!document.querySelector("#ended").hidden`)
	b.sees("What you have typed is still here")
	b.shoot("ended-banner")
	b.click("button[value=save]")
	b.sees("The session has ended", "Sign in in another tab")
	if !b.truth(`document.querySelector("#text").value === "an hour's work"`) {
		t.Error("the text is lost")
	}
	b.look("ended")
	// As another tab of this browser would, whose cookies are the same.
	if status := evaluate[int](b, fmt.Sprintf(`(async () => {
		const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
		const fields = new URLSearchParams({csrf: page.querySelector("[name=csrf]").value, token: %q});
		return (await fetch("/dashboard/sign-in", {method: "POST", body: fields})).status;
	})()`, token().Token), chromedp.EvalAwaitPromise); status != http.StatusOK {
		t.Fatalf("sign in: %d", status)
	}
	b.click("button.primary")
	b.sees("you have signed in anew")
	b.click("button[value=save]")
	b.sees("Saved.")
	if v, _ := s.value(ns, "k"); v != "an hour's work" {
		t.Errorf("saved %q", v)
	}
	b.healthy(refused)
	idle.healthy(refused)
}
