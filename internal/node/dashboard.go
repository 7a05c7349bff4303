package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/godwitkv/godwit/internal/dashboard"
)

// dashboardKeyName is the file, in the data directory, of the key that seals the
// dashboard's sessions.
const dashboardKeyName = "dashboard-key"

const dashboardKeyBytes = 32

// newDashboard makes the pages. apis answers what they ask of the node.
func (n *Node) newDashboard(apis http.Handler) *dashboard.Dashboard {
	cfg := dashboard.Config{
		Service: n.service, API: apis, Key: n.dashboardKey, Now: n.now, Logger: n.cfg.Logger,
	}
	if n.cfg.edge() {
		cfg.Carried = n.carriesNamespace
	}
	return dashboard.New(cfg)
}

// dashboardKey is the key in the data directory, made if there is none. Where it
// cannot be kept, sessions last until the node stops: signing in must work on a full
// disk, too.
func (n *Node) dashboardKey() []byte {
	if n.cfg.FS != nil {
		return randomKey()
	}
	key, err := loadDashboardKey(filepath.Join(n.cfg.Dir, dashboardKeyName))
	if err != nil {
		n.cfg.Logger.Warn("sessions of the dashboard end with this process", slog.Any(logError, err))
		return randomKey()
	}
	return key
}

func loadDashboardKey(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		key := randomKey()
		return key, writeSecret(name, hex.EncodeToString(key)+"\n")
	}
	if err != nil {
		return nil, fmt.Errorf("read dashboard key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != dashboardKeyBytes {
		return nil, fmt.Errorf("%s does not hold a key of ours: remove it to have one made", name)
	}
	return key, nil
}

func randomKey() []byte {
	key := make([]byte, dashboardKeyBytes)
	_, _ = rand.Read(key) // never fails: it ends the process first
	return key
}
