package node

import (
	"fmt"
	"log/slog"
	"os"
)

// othersWrite are the bits of a mode that let others than the owner write.
const othersWrite = 0o022

// makeDirectory makes the data directory for its owner alone. One that is there keeps its
// mode, that of a mounted volume perhaps: others who may write to it are told of, since
// they can put another root token in, whatever the mode of the file.
func (n *Node) makeDirectory() error {
	if n.cfg.FS != nil {
		return nil
	}
	if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	info, err := os.Stat(n.cfg.Dir)
	if err != nil {
		return fmt.Errorf("look at data directory: %w", err)
	}
	if info.Mode()&othersWrite != 0 {
		n.cfg.Logger.Warn("others may write to the data directory, and so take this node over: chmod go-w",
			slog.String(logDir, n.cfg.Dir), slog.String(logMode, info.Mode().String()))
	}
	return nil
}
