package upstream

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// NewStatic returns the upstream of mode static: the files below a folder. No
// path and no link leads out of it. Without listing, a folder without an
// index.html is not found. Call Run to have it closed.
func NewStatic(folder string, listing bool) (Upstream, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("static_path: %w", err)
	}
	s := &static{root: root}
	s.files = http.FileServerFS(staticFiles{root, listing})
	return s, nil
}

type static struct {
	root  *os.Root
	files http.Handler
}

func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	name := r.URL.Path
	if strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	if t := webTypes[path.Ext(name)]; t != "" {
		w.Header().Set("Content-Type", t)
	}
	s.files.ServeHTTP(w, r)
}

// webTypes are types on which package mime and the tables of all systems agree.
// To ask mime has it read those tables, which takes longer than the rest of the
// first answer, and more memory.
var webTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".gif": "image/gif", ".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp",
	".json": "application/json", ".pdf": "application/pdf",
}

// Run implements [Upstream].
func (s *static) Run(ctx context.Context) error {
	<-ctx.Done()
	return s.root.Close()
}

// Ready implements [Upstream].
func (s *static) Ready(context.Context) error {
	_, err := s.root.Stat(".")
	return err
}

// staticFiles are the files of a folder that are meant to be served: not those
// whose name, or whose folder's, begins with a dot.
type staticFiles struct {
	root    *os.Root
	listing bool
}

// Open implements [fs.FS].
func (s staticFiles) Open(name string) (fs.File, error) {
	missing := &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	if !fs.ValidPath(name) {
		return nil, missing
	}
	for segment := range strings.SplitSeq(name, "/") {
		if isHidden(segment) && name != "." {
			return nil, missing
		}
	}
	info, err := s.root.Stat(name)
	switch {
	case err != nil: // a link that leads out of the folder is one too
		return nil, missing
	case info.Mode().IsRegular():
	case !info.IsDir(): // opening a named pipe would wait for a writer
		return nil, missing
	case !s.listing:
		index := strings.TrimPrefix(name+"/index.html", "./")
		if info, err := s.root.Stat(index); err != nil || !info.Mode().IsRegular() {
			return nil, missing
		}
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, missing
	}
	if info.IsDir() {
		return visible{f, s.listing}, nil
	}
	return f, nil
}

func isHidden(name string) bool { return strings.HasPrefix(name, ".") }

// visible is a folder of which hidden files are not listed.
type visible struct {
	*os.File
	listing bool
}

// ReadDir implements [fs.ReadDirFile].
func (v visible) ReadDir(n int) ([]fs.DirEntry, error) {
	if !v.listing { // FileServer would, if it can't open the index.html
		return nil, fs.ErrNotExist
	}
	list, err := v.File.ReadDir(n)
	kept := list[:0]
	for _, e := range list {
		if !isHidden(e.Name()) {
			kept = append(kept, e)
		}
	}
	return kept, err
}
