package dev

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A stack is what dev needs of faas-cli's stack.yml.
type stack struct {
	folder   string // in which the file is
	name     string // of the function
	function function
}

type function struct {
	Lang            string            `yaml:"lang"`
	Handler         string            `yaml:"handler"`
	FProcess        string            `yaml:"fprocess"`
	Environment     map[string]string `yaml:"environment"`
	EnvironmentFile []string          `yaml:"environment_file"`
	Secrets         []string          `yaml:"secrets"`
}

// readFunctions reads the functions of a stack file, of which there is at least
// one.
func readFunctions(path string, lookup func(string) string) (map[string]function, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w; run this where stack.yml is, or name the file", err)
	}
	var file struct {
		Functions map[string]function `yaml:"functions"`
	}
	if err := yaml.Unmarshal([]byte(substitute(string(text), lookup)), &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Functions) == 0 {
		return nil, fmt.Errorf("%s: has no functions", path)
	}
	return file.Functions, nil
}

// functionNames are the functions to run: the one that is asked for, or all.
func functionNames(o Options, lookup func(string) string) ([]string, error) {
	if o.Function != "" {
		return []string{o.Function}, nil
	}
	functions, err := readFunctions(o.Stack, lookup)
	return slices.Sorted(maps.Keys(functions)), err
}

// readStack reads one function of a stack file.
func readStack(path, name string, lookup func(string) string) (*stack, error) {
	functions, err := readFunctions(path, lookup)
	if err != nil {
		return nil, err
	}
	f, ok := functions[name]
	if !ok {
		return nil, fmt.Errorf("%s: has no function %q, but %s", path, name, strings.Join(slices.Sorted(maps.Keys(functions)), ", "))
	}
	s := &stack{folder: filepath.Dir(path), name: name, function: f}
	return s, s.environment()
}

// substitute replaces what faas-cli does in a stack file: "${NAME}" and
// "${NAME:-default}", not "$NAME".
func substitute(text string, lookup func(string) string) string {
	variable := regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}`)
	return variable.ReplaceAllStringFunc(text, func(s string) string {
		parts := variable.FindStringSubmatch(s)
		if value := lookup(parts[1]); value != "" {
			return value
		}
		return parts[2]
	})
}

// environment adds the variables of the environment files, over which those of
// the stack file win.
func (s *stack) environment() error {
	env := map[string]string{}
	for _, name := range s.function.EnvironmentFile {
		path := filepath.Join(s.folder, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var file struct {
			Environment map[string]string `yaml:"environment"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		maps.Copy(env, file.Environment)
	}
	maps.Copy(env, s.function.Environment)
	s.function.Environment = env
	return nil
}

// A template is what dev needs of a language's template.
type template struct {
	folder  string
	Process string `yaml:"fprocess"`
	Handler string `yaml:"handler_folder"` // "function" if empty
	dev     devFile
}

// A devFile, dev.yml in a template's folder, says how its functions run
// without a container. template.yml has only what faas-cli knows.
type devFile struct {
	Process     string            `yaml:"fprocess"`    // instead of template.yml's
	Build       string            `yaml:"build"`       // run in the folder in which fprocess will be
	Environment map[string]string `yaml:"environment"` // what the image would have
}

func (s *stack) template() (*template, error) {
	folder := filepath.Join(s.folder, "template", s.function.Lang)
	t := &template{folder: folder, Handler: "function"}
	if err := readYAML(filepath.Join(folder, "template.yml"), t); err != nil {
		return nil, fmt.Errorf("%w; faas-cli template pull brings the template %q", err, s.function.Lang)
	}
	path := filepath.Join(folder, "dev.yml")
	if err := readYAML(path, &t.dev); err != nil {
		return nil, fmt.Errorf("%w; it says how a function runs without a container", err)
	}
	if t.dev.Process != "" {
		t.Process = t.dev.Process
	}
	if s.function.FProcess != "" {
		t.Process = s.function.FProcess
	}
	if t.dev.Build == "" || t.Process == "" {
		return nil, fmt.Errorf("%s: does not say how a function runs without a container (build, and fprocess here or in template.yml)", path)
	}
	return t, nil
}

func readYAML(path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// build makes a folder as faas-cli does, the template with the handler laid
// over it, and builds the function there.
func (s *stack) build(t *template, to string, run func(folder, command string) error) error {
	handler := filepath.Join(s.folder, s.function.Handler)
	if info, err := os.Stat(handler); err != nil || !info.IsDir() {
		return fmt.Errorf("handler %s: want the folder of the function", s.function.Handler)
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := copyTree(t.folder, to, nil); err != nil {
		return err
	}
	// faas-cli skips these two in the handler's folder.
	if err := copyTree(handler, filepath.Join(to, t.Handler), []string{"build", "template"}); err != nil {
		return err
	}
	return run(to, t.dev.Build)
}

// copyTree copies regular files. skip are names at the top that stay behind.
func copyTree(from, to string, skip []string) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case slices.Contains(skip, e.Name()):
		case e.IsDir():
			err = errors.Join(err, copyTree(source, target, nil))
		case e.Type().IsRegular():
			err = errors.Join(err, copyFile(root, e.Name(), target))
		}
	}
	return err
}

func copyFile(root *os.Root, name, target string) error {
	text, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	return os.WriteFile(target, text, info.Mode().Perm()|0o200) //nolint:gosec // below a folder of our own
}
