package workerd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// ignoreFile names what of an assets directory is not served.
const ignoreFile = ".assetsignore"

// assetFiles are the files of an assets directory that workerd is told of when it
// starts. All others it looks at with each request.
var assetFiles = []string{"_headers", "_redirects", ignoreFile}

// maxAssetFile bounds each of them.
const maxAssetFile = 1 << 20

// AssetFiles returns the paths of those of one directory.
func AssetFiles(dir string) (paths []string) {
	for _, name := range assetFiles {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// CheckAssetFiles wants those that are there to be such that workerd can be told of them.
func CheckAssetFiles(dir string) error {
	var problems []error
	for _, path := range AssetFiles(dir) {
		_, err := readAssetFile(path)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (w *writer) assetFile(a *wrangler.Assets, name string) string {
	text, err := readAssetFile(filepath.Join(a.Directory, name))
	if w.err == nil {
		w.err = err
	}
	return text
}

// readAssetFile returns "" where there is no file. One that is there and cannot be read is an
// error: without its patterns more would be served than is meant to be.
func readAssetFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular(): // whoever reads a pipe waits until somebody writes
		return "", fmt.Errorf("%s is not a file", path)
	case info.Size() > maxAssetFile:
		return "", fmt.Errorf("%s has %d bytes; %d are the most", path, info.Size(), maxAssetFile)
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it is gone just now
		return "", nil
	case err != nil:
		return "", err
	case filepath.Base(path) == ignoreFile && !utf8.Valid(text): // its patterns would be others
		return "", fmt.Errorf("%s is not UTF-8", path)
	case filepath.Base(path) == ignoreFile && strings.Contains(string(text), "\x00"):
		return "", fmt.Errorf("%s holds a null character", path)
	}
	return string(text), nil
}
