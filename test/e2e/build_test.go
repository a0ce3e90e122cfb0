//go:build e2e

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A template is a folder as template/golang-auth.
type template struct {
	name   string
	folder string
	// fields that faas-cli reads
	Fprocess      string `yaml:"fprocess"`
	HandlerFolder string `yaml:"handler_folder"`
}

func readTemplate(t *testing.T, folder string) template {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "template.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := template{name: filepath.Base(folder), folder: folder}
	if err := yaml.Unmarshal(text, &tmpl); err != nil {
		t.Fatal(err)
	}
	if tmpl.HandlerFolder == "" {
		tmpl.HandlerFolder = "function"
	}
	return tmpl
}

// templates finds all, so that a new one needs nothing here.
func templates(t *testing.T) []template {
	t.Helper()
	files, err := filepath.Glob(root + "/template/*/template.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	var list []template
	for _, file := range files {
		list = append(list, readTemplate(t, filepath.Dir(file)))
	}
	return list
}

// newHandler is the handler that faas-cli new makes: the template's.
func (tmpl template) newHandler(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "hello")
	copyFolder(t, filepath.Join(tmpl.folder, tmpl.HandlerFolder), folder, nil)
	return folder
}

// buildContext is what faas-cli hands to docker build: the whole template, and
// over its handler the user's, in folders with mode 0700.
func (tmpl template) buildContext(t *testing.T, handler string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "build", "hello")
	copyFolder(t, tmpl.folder, folder, nil)
	write(t, filepath.Join(folder, "meta.json"), "{}")
	notThese := func(path string) bool { return path == "build" || path == "template" }
	copyFolder(t, handler, filepath.Join(folder, tmpl.HandlerFolder), notThese)
	return folder
}

func copyFolder(t *testing.T, from, to string, skip func(path string) bool) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case skip != nil && skip(relative):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(target, text, info.Mode()), os.Chmod(target, info.Mode()))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// build builds a function with the arguments that faas-cli gives.
func build(t *testing.T, folder, image string) {
	t.Helper()
	docker(t, "build", "--build-arg", "ADDITIONAL_PACKAGE=", "--tag", image, folder)
}

// push takes an image to the registry and back, and returns its name there.
func (p *platform) push(t *testing.T, image string) string {
	t.Helper()
	pushed := p.registry + "/" + image
	docker(t, "tag", image, pushed)
	docker(t, "push", pushed)
	docker(t, "rmi", pushed)
	docker(t, "pull", pushed)
	return pushed
}

// needBases skips a test of which a base image can't be had.
func needBases(t *testing.T, dockerfile string) {
	t.Helper()
	images, err := basesOf(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		if _, err := command(t.Context(), "docker", "image", "inspect", image); err != nil {
			notHere(t, "no image "+image+", which can't be pulled nor made here")
		}
	}
}

// heard is what a handler writes to its log when it is called.
const heard = "the function has heard of it"

// tells are the places where a handler begins, by the name of its file, and
// what is written there to make it tell that it was called.
var tells = []struct {
	file  string
	begin *regexp.Regexp
	line  string
}{
	{"handler.go", regexp.MustCompile(`(?m)^func Handle\(.*\{\n`), "\tprintln(\"" + heard + "\")\n"},
	{"handler.py", regexp.MustCompile(`(?m)^def handle\(event, context\):\n`), "    print(\"" + heard + "\", flush=True)\n"},
	{"handler.js", regexp.MustCompile(`(?m)^module\.exports = async \(event, context\) => \{\n`), "  console.error(\"" + heard + "\")\n"},
	{"*[^t].sh", regexp.MustCompile(`\A#!.*\n`), "echo \"" + heard + "\" >&2\n"}, // not those that end with _test
}

// makeTell changes a handler.
func makeTell(t *testing.T, handler string) {
	t.Helper()
	for _, tell := range tells {
		files, err := filepath.Glob(filepath.Join(handler, tell.file))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			at := tell.begin.FindStringIndex(string(text))
			if at == nil {
				t.Fatalf("%s does not begin with %s", file, tell.begin)
			}
			write(t, file, string(text[:at[1]])+tell.line+string(text[at[1]:]))
			return
		}
	}
	t.Fatal("no handler of a known language: add a row to tells")
}

// timesHeard counts the calls that have reached a function, by its log.
func timesHeard(t *testing.T, name string) int {
	t.Helper()
	return strings.Count(logs(t, name), heard)
}
