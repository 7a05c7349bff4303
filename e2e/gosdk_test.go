package e2e_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestGoSDK runs the tests of the module in gosdk: Cloudflare's Go SDKs.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "./...")
	cmd.Dir = "gosdk"
	cmd.Env = append(os.Environ(),
		"CLOUDFLARE_BASE_URL="+s.base(), "CLOUDFLARE_API_TOKEN="+rootToken, "CLOUDFLARE_ACCOUNT_ID="+account)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
