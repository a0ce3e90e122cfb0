package test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// A tmpl is a folder below template/.
type tmpl struct {
	lang, folder string
	// about is its template.yml, with all that faas-cli knows of it.
	about struct {
		Language     string `yaml:"language"`
		FProcess     string `yaml:"fprocess"`
		BuildOptions []struct {
			Name     string   `yaml:"name"`
			Packages []string `yaml:"packages"`
		} `yaml:"build_options"`
		Welcome       string `yaml:"welcome_message"`
		HandlerFolder string `yaml:"handler_folder"`
		MountSSH      bool   `yaml:"mount_ssh"`
	}
	docker []instruction
}

// An instruction is one of a Dockerfile.
type instruction struct{ name, args string }

// templates finds them all.
func templates(t *testing.T) []tmpl {
	t.Helper()
	entries, err := os.ReadDir("../template")
	if err != nil {
		t.Fatal(err)
	}
	var list []tmpl
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		folder := filepath.Join("../template", e.Name())
		x := tmpl{lang: e.Name(), folder: folder}
		d := yaml.NewDecoder(strings.NewReader(read(t, filepath.Join(folder, "template.yml"))))
		d.KnownFields(true)
		if err := d.Decode(&x.about); err != nil {
			t.Fatalf("%s: faas-cli knows nothing of it: %v", folder, err)
		}
		x.docker = instructions(read(t, filepath.Join(folder, "Dockerfile")))
		list = append(list, x)
	}
	if len(list) == 0 {
		t.Fatal("there are no templates")
	}
	return list
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// instructions reads a Dockerfile, without its comments and with each
// instruction in one line.
func instructions(text string) []instruction {
	text = regexp.MustCompile(`(?m)^[ \t]*#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n[ \t]*`).ReplaceAllString(text, "")
	var list []instruction
	for line := range strings.Lines(text) {
		if name, args, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" {
			list = append(list, instruction{name, strings.TrimSpace(args)})
		}
	}
	return list
}

// all are the arguments of the instructions of a name, in order.
func all(list []instruction, name string) []string {
	var args []string
	for _, i := range list {
		if i.name == name {
			args = append(args, i.args)
		}
	}
	return args
}

// final are the instructions of the stage that becomes the image, and of those
// that it is made from.
func (x tmpl) final() []instruction {
	stages := map[string][]instruction{}
	var stage []instruction
	name := ""
	for _, i := range x.docker {
		if i.name != "FROM" {
			stage = append(stage, i)
			continue
		}
		stages[name] = stage
		from := strings.Fields(i.args)[1:] // without --platform, or of "FROM base"
		if len(from) == 0 {
			from = strings.Fields(i.args)
		}
		stage, name = slices.Clone(stages[from[0]]), from[len(from)-1]
	}
	return stage
}

// env is what the image sets.
func (x tmpl) env() map[string]string {
	env := map[string]string{}
	for _, args := range all(x.final(), "ENV") {
		for _, m := range regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`).FindAllStringSubmatch(args, -1) {
			env[m[1]] = strings.Trim(m[2], `"`)
		}
	}
	return env
}

// signsIn reports whether a fresh function is for people who sign in, and not
// for callers with a key.
func (x tmpl) signsIn() bool { return x.env()["auth_config"] != "" }

// handler is the folder that a new function starts with.
func (x tmpl) handler() string {
	if x.about.HandlerFolder == "" {
		return filepath.Join(x.folder, "function")
	}
	return filepath.Join(x.folder, x.about.HandlerFolder)
}

// version is that of the root Dockerfile, where it is written.
func version(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ARG VERSION=(.+)$`).FindAllStringSubmatch(read(t, "../Dockerfile"), -1)
	if len(m) != 1 {
		t.Fatalf("the version is in the Dockerfile %d times, want once", len(m))
	}
	return m[0][1]
}

var (
	// pinnedImage has a tag that says which version, and no registry's name.
	pinnedImage = regexp.MustCompile(`^[a-z0-9-]+:\d[\w.-]*$|^debian:bookworm-slim$`)
	fromLine    = regexp.MustCompile(`^--platform=\$\{(?:TARGET|BUILD)PLATFORM:-linux/amd64\} (\S+)(?: AS (\w+))?$`)
	testRun     = regexp.MustCompile(`\bgo test \S*function|-m unittest|npm test|_test\.sh`)
	packages    = regexp.MustCompile(`if \[ -n "\$\{ADDITIONAL_PACKAGE\}" \]; then apt-get update && apt-get install -y --no-install-recommends \$\{ADDITIONAL_PACKAGE\}`)
	machineName = regexp.MustCompile(`(?i)/work/|/root/|\b(?:ghcr|docker|quay|gcr)\.io\b|localhost:\d`)
)

func TestTemplates(t *testing.T) {
	for _, x := range templates(t) {
		t.Run(x.lang, func(t *testing.T) {
			t.Run("template.yml", x.testAbout)
			t.Run("sources", x.testSources)
			t.Run("stages", x.testStages)
			t.Run("image", x.testImage)
			t.Run("documented", x.testDocumented)
		})
	}
}

func (x tmpl) testAbout(t *testing.T) {
	if x.about.Language != x.lang {
		t.Errorf("its language is %q, want the folder's name", x.about.Language)
	}
	wants := []string{
		"auth-watchdog key new ", "faas-cli secret create api-key --from-file=", "stack.yaml", "     secrets:\n       - api-key\n", "faas-cli up",
		`curl -H "Authorization: Bearer `,
	}
	if x.signsIn() {
		wants = []string{
			"auth-watchdog user add NAME --roles admin --file ", "faas-cli secret create users --from-file=",
			"auth-watchdog key ring --file ", "faas-cli secret create session-keys --from-file=",
			"stack.yaml", "     environment:\n       public_url: https://", "     secrets:\n       - users\n       - session-keys\n", "faas-cli up",
		}
	}
	for _, want := range wants {
		if !strings.Contains(x.about.Welcome, want) {
			t.Errorf("its welcome_message has no %q", want)
		}
	}
	// It is sent along with every deployment, and wins over the image's.
	if in := x.env()["fprocess"]; x.about.FProcess != "" && x.about.FProcess != in {
		t.Errorf("its fprocess is %q in template.yml and %q in the image", x.about.FProcess, in)
	}
}

func (x tmpl) testSources(t *testing.T) {
	tests, err := filepath.Glob(filepath.Join(x.handler(), "*[_.]test.*"))
	if err != nil || len(tests) == 0 {
		t.Errorf("%s has no test", x.handler())
	}
	err = filepath.WalkDir(x.folder, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if m := machineName.FindString(read(t, path)); m != "" {
			t.Errorf("%s names %q, which others don't have", path, m)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func (x tmpl) testStages(t *testing.T) {
	if !strings.Contains(read(t, x.folder, ".dockerignore"), "\n**/.secrets\n") {
		t.Error(".dockerignore does not leave out **/.secrets, which faas-cli copies with the handler")
	}
	if regexp.MustCompile(`(?mi)^#\s*(syntax|escape|check)\s*=`).MatchString(read(t, x.folder, "Dockerfile")) {
		t.Error("its Dockerfile has a directive: some builders fetch an image for that")
	}
	args, stages := map[string]string{}, map[string]bool{"scratch": true}
	for _, i := range x.docker {
		switch i.name {
		case "ARG":
			if name, value, ok := strings.Cut(i.args, "="); ok && len(stages) == 1 {
				args["${"+name+"}"] = value
			}
		case "FROM":
			if first, name, _ := strings.Cut(i.args, " AS "); stages[first] {
				stages[name] = true
				continue
			}
			m := fromLine.FindStringSubmatch(i.args)
			if m == nil {
				t.Errorf("FROM %s: want a stage of before, or --platform=${TARGETPLATFORM:-linux/amd64} or ${BUILDPLATFORM:-linux/amd64} and an image", i.args)
				continue
			}
			image := m[1]
			if value, ok := args[image]; ok {
				image = value
			}
			if !pinnedImage.MatchString(image) {
				t.Errorf("FROM %s: want an image with its version, and without its registry", i.args)
			}
			stages[m[2]] = true
		}
	}
	if got, want := args["${WATCHDOG_IMAGE}"], "auth-watchdog:"+version(t); got != want {
		t.Errorf("WATCHDOG_IMAGE is %q, want %q", got, want)
	}
	if want := "--platform=${TARGETPLATFORM:-linux/amd64} ${WATCHDOG_IMAGE} AS watchdog"; !slices.Contains(all(x.docker, "FROM"), want) {
		t.Errorf("has no FROM %s", want)
	}
	runs := strings.Join(all(x.docker, "RUN"), "\n")
	if !slices.Contains(all(x.docker, "ARG"), "ADDITIONAL_PACKAGE") || !packages.MatchString(runs) {
		t.Error("does not install ADDITIONAL_PACKAGE")
	}
	if !testRun.MatchString(runs) {
		t.Error("does not run the function's tests")
	}
	if strings.Contains(runs, "--mount") {
		t.Error("RUN --mount fails with the legacy builder")
	}
	if strings.Contains(runs, "go build") && !strings.Contains(runs, "CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH:-amd64} ") {
		t.Error("does not compile for the target")
	}
}

func (x tmpl) testImage(t *testing.T) {
	final, env := x.final(), x.env()
	users := all(final, "USER")
	if len(users) == 0 || !regexp.MustCompile(`^[1-9]\d*(:[1-9]\d*)?$`).MatchString(users[len(users)-1]) {
		t.Errorf("USER %q: want a number, and not root's", users)
	}
	var check []string
	health := all(final, "HEALTHCHECK")
	if len(health) != 1 {
		t.Fatalf("HEALTHCHECK %q: want one", health)
	}
	_, command, _ := strings.Cut(health[0], "CMD ")
	if err := json.Unmarshal([]byte(command), &check); err != nil || len(check) != 2 || check[1] != "--run-healthcheck" {
		t.Errorf("HEALTHCHECK %s: want the program itself, without a shell", health[0])
	}
	var start []string
	for _, args := range slices.Concat(all(final, "ENTRYPOINT"), all(final, "CMD")) {
		if err := json.Unmarshal([]byte(args), &start); err != nil {
			t.Errorf("%s: is run by a shell", args)
		}
	}
	if len(check) > 0 && !slices.Equal(start, check[:1]) {
		t.Errorf("starts %q, and is checked with %q", start, check)
	}
	switch {
	case !x.signsIn():
		if env["auth"] != "bearer" {
			t.Errorf("auth is %q, want bearer", env["auth"])
		}
	case env["auth"] != "" || !strings.Contains(read(t, x.handler(), env["auth_config"]), "{type: login}"):
		t.Errorf("auth is %q, want none beside a policy by which people sign in", env["auth"])
	}
	switch env["mode"] {
	case "http":
		if env["upstream_url"] != "unix:///tmp/function.sock" {
			t.Errorf("upstream_url is %q, want a unix socket", env["upstream_url"])
		}
	case "streaming", "inproc":
	default:
		t.Errorf("mode is %q", env["mode"])
	}
	if got := all(final, "EXPOSE"); !slices.Equal(got, []string{"8080 8081"}) {
		t.Errorf("EXPOSE %q: want the watchdog's ports and no other", got)
	}
}

func (x tmpl) testDocumented(t *testing.T) {
	section := regexp.MustCompile(`(?ms)^## ` + x.lang + `$(.*?)(?:^## |\z)`).FindStringSubmatch(read(t, "../template/README.md"))
	if section == nil {
		t.Fatal("template/README.md has no section for it")
	}
	wants := []string{"```", " MB", "`auth: hmac`", "`auth_hmac_preset: github`", "`auth: basic`"}
	if x.signsIn() {
		wants = []string{"```", " MB", "`static/auth.yml`", "public_url: ", "auth-watchdog user add "}
	}
	for _, want := range wants {
		if !strings.Contains(section[1], want) {
			t.Errorf("its section has no %q: show the handler, say how large the image is and how another method is chosen", want)
		}
	}
	if !strings.Contains(read(t, "../README.md"), "`"+x.lang+"`") {
		t.Error("README.md does not name it")
	}
}

// TestStore holds store.json to the templates that there are.
func TestStore(t *testing.T) {
	type row struct {
		Template    string `json:"template"`
		Platform    string `json:"platform"`
		Language    string `json:"language"`
		Source      string `json:"source"`
		Description string `json:"description"`
		Repo        string `json:"repo"`
		Official    string `json:"official"`
		Recommended bool   `json:"recommended"`
	}
	var rows []row
	d := json.NewDecoder(strings.NewReader(read(t, "../store.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&rows); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, r := range rows {
		got = append(got, r.Template)
		if r.Platform == "" || r.Language == "" || r.Source == "" || r.Description == "" || r.Official != "false" {
			t.Errorf("%+v: want every field", r)
		}
		if r.Repo != rows[0].Repo {
			t.Errorf("%s: is in %s, and the first in %s", r.Template, r.Repo, rows[0].Repo)
		}
	}
	for _, x := range templates(t) {
		want = append(want, x.lang)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("templates and rows of store.json (-want +got):\n%s", diff)
	}
}

// TestVersion: whoever raises the version in the Dockerfile learns here where
// else it is.
func TestVersion(t *testing.T) {
	want := version(t)
	files := []string{"../README.md", "../Dockerfile", "../template/README.md"}
	for _, x := range templates(t) {
		files = append(files, filepath.Join(x.folder, "Dockerfile"))
	}
	for _, path := range files {
		for _, m := range regexp.MustCompile(`auth-watchdog:(\d[\w.-]*)`).FindAllStringSubmatch(read(t, path), -1) {
			if m[1] != want {
				t.Errorf("%s says %s, want auth-watchdog:%s", path, m[0], want)
			}
		}
	}
}

// TestSameHandler: a function moves between the two templates for Go.
func TestSameHandler(t *testing.T) {
	if out, err := exec.Command("diff", "-r", "../template/golang-auth/function", "../template/golang-auth-inproc/function").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSameServer: the tool behind sign-in is served as every handler in Go.
func TestSameServer(t *testing.T) {
	for _, name := range []string{"main.go", "go.mod", "go.work", ".dockerignore", "function/go.mod"} {
		if read(t, "../template/golang-auth", name) != read(t, "../template/golang-auth-portal", name) {
			t.Errorf("%s differs between golang-auth and golang-auth-portal", name)
		}
	}
}

// TestTemplatesUnderDev does with each template what faas-cli does, the
// template with the function's folder laid over it as it comes, and runs it
// without a container.
func TestTemplatesUnderDev(t *testing.T) {
	for _, x := range templates(t) {
		if _, err := os.Stat(filepath.Join(x.folder, "dev.yml")); errors.Is(err, os.ErrNotExist) {
			continue // there is nothing to run without its image
		}
		t.Run(x.lang, func(t *testing.T) {
			lookFor(t, x.lang)
			folder := desk(t)
			stack := "version: 1.0\nprovider: {name: openfaas}\nfunctions:\n  fresh:\n    lang: " + x.lang + "\n    handler: ./template/" + x.lang +
				"/" + filepath.Base(x.handler()) + "\n"
			ways, want := 1, "Hello dev, you sent "
			if x.signsIn() {
				ways, want = 2, "<h1>Hello dev</h1>"
			} else {
				stack += "    secrets: [api-key]\n"
			}
			if err := os.WriteFile(filepath.Join(folder, "fresh.yml"), []byte(stack), 0o600); err != nil {
				t.Fatal(err)
			}
			d := startDev(t, folder, "fresh.yml")
			curls := d.curls()
			if len(curls) != ways {
				t.Fatalf("got %d commands, want %d\n%s", len(curls), ways, d.log)
			}
			eventually(t, "an answer", func() bool {
				status, body := d.call(curls[0], true)
				return status == 200 && strings.Contains(body, want)
			})
			if status, _ := d.call(curls[0], false); status != 401 {
				t.Errorf("without the credential: got %d", status)
			}
		})
	}
}

// lookFor skips a test that needs what this machine has not.
func lookFor(t *testing.T, lang string) {
	t.Helper()
	switch lang {
	case "node-auth":
		if _, err := exec.LookPath("npm"); err != nil {
			t.Skip("no npm: install nodejs and npm")
		}
	case "python3-auth":
		t.Setenv("PATH", filepath.Dir(python(t))+":"+os.Getenv("PATH"))
	}
}

// python is a python3 that has what the template's requirements.txt says, in
// some version.
func python(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(path)
		if err != nil {
			continue
		}
		if exec.Command(path, "-c", "import flask, waitress").Run() == nil {
			return path
		}
	}
	t.Skip("no python3 with flask and waitress: install python3-flask and python3-waitress")
	return ""
}

// TestInprocTemplate builds the template whose module comes out of the
// watchdog's image with the module that is here.
func TestInprocTemplate(t *testing.T) {
	folder := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS("../template/golang-auth-inproc")); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(folder, "go.work")
	text := read(t, work)
	changed := strings.Replace(text, "/src/auth-watchdog", root, 1)
	if changed == text {
		t.Fatalf("go.work does not say where the module is\n%s", text)
	}
	if err := os.WriteFile(work, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", "handler", ".")
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	handler := filepath.Join(folder, "handler")

	const key = "awk_CANARY-inproc-0123456789012345678901"
	env := []string{
		"auth=bearer", "mode=inproc", "port=0", "metrics_port=0", "bind_address=127.0.0.1", "healthcheck_interval=0",
		"TMPDIR=" + shortTemp(t), "secret_mount_path=" + writeSecrets(t, map[string]string{"api-key": "me " + key + "\n"}),
	}
	health := exec.Command(handler, "--run-healthcheck")
	health.Env = env
	if _, code := run(t, health); code == 0 {
		t.Error("is healthy before it runs")
	}
	log, ended := &output{}, make(chan error, 1)
	server := exec.Command(handler)
	server.Env, server.Stdout, server.Stderr = env, log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- server.Wait() }()
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		if err := <-ended; err != nil {
			t.Errorf("has ended with %v\n%s", err, log)
		}
	}()
	address := log.wait(t, `msg=listening address=(\S+)`, ended)[1]
	d := &dev{t: t, log: log}
	args := []string{"-H", "Authorization: Bearer " + key, "--data-binary", "hi", "http://" + address + "/"}
	if status, body := d.call(args, true); status != 200 || body != "Hello me, you sent 2 bytes.\n" {
		t.Errorf("got %d %q", status, body)
	}
	if status, _ := d.call(args, false); status != 401 {
		t.Errorf("without the credential: got %d", status)
	}

	bare := exec.Command(handler)
	bare.Env = []string{"auth=bearer", "secret_mount_path=" + t.TempDir()}
	if out, code := run(t, bare); code == 0 || !strings.Contains(out, "faas-cli secret create api-key") || strings.Contains(out, "panic") {
		t.Errorf("without its secret: got %d and %s", code, out)
	}
}
