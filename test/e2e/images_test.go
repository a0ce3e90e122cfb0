//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

const (
	root     = "../.."
	official = "testdata/of-watchdog-template"

	// watchdogArgument names the image of the watchdog in every Dockerfile.
	watchdogArgument = "WATCHDOG_IMAGE"
)

// dockerfiles returns those that are built here.
func dockerfiles() ([]string, error) {
	list, err := filepath.Glob(root + "/template/*/Dockerfile")
	return append(list, root+"/Dockerfile", official+"/Dockerfile"), err
}

// baseImages returns the images that have to come from elsewhere.
func baseImages() ([]string, error) {
	files, err := dockerfiles()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, file := range files {
		images, err := basesOf(file)
		if err != nil {
			return nil, err
		}
		list = append(list, images...)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

var (
	argLine  = regexp.MustCompile(`(?m)^ARG (\w+)=(\S+)`)
	fromLine = regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)(?: AS (\S+))?`)
	variable = regexp.MustCompile(`\$\{?(\w+)\}?`)
)

// arguments returns the defaults of a Dockerfile's arguments.
func arguments(text string) map[string]string {
	defaults := map[string]string{}
	for _, a := range argLine.FindAllStringSubmatch(text, -1) {
		defaults[a[1]] = strings.Trim(a[2], `"'`)
	}
	return defaults
}

// basesOf reads the FROM lines of a Dockerfile, without the watchdog's.
func basesOf(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	defaults := arguments(string(text))
	var list []string
	stages := map[string]bool{"scratch": true, defaults[watchdogArgument]: true}
	for _, from := range fromLine.FindAllStringSubmatch(string(text), -1) {
		image := variable.ReplaceAllStringFunc(from[1], func(v string) string {
			return defaults[variable.FindStringSubmatch(v)[1]]
		})
		stages[from[2]] = true
		if !stages[image] && from[1] != ofWatchdog {
			list = append(list, image)
		}
	}
	return list, nil
}

// watchdogImage is what the templates take the watchdog from.
func watchdogImage() (string, error) {
	files, err := filepath.Glob(root + "/template/*/Dockerfile")
	if err != nil {
		return "", err
	}
	var image string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		name := arguments(string(text))[watchdogArgument]
		if name == "" || image != "" && name != image {
			return "", fmt.Errorf("%s: %s is %q by default, elsewhere %q", file, watchdogArgument, name, image)
		}
		image = name
	}
	return image, nil
}

// made is what can't be pulled and was made, by the key of what it was made
// from.
const madeLabel = "auth-watchdog.e2e"

// makeImages sees to it that the box's engine has the images, and returns what
// went wrong.
func makeImages(ctx context.Context, images []string) map[string]error {
	failed := map[string]error{}
	pulls := true
	for _, image := range images {
		key, err := command(ctx, "docker", "image", "inspect", "--format", `{{index .Config.Labels "`+madeLabel+`"}}`, image)
		if err == nil && key == "" {
			continue // it was pulled
		}
		if err != nil && pulls {
			if err := pull(ctx, image); err == nil {
				continue
			}
			pulls = false // nor will the others
		}
		if err := makeImage(ctx, image); err != nil {
			failed[image] = err
		}
	}
	return failed
}

// A recipe makes an image in place of one that can't be pulled, from Debian's.
// It is run as a Dockerfile in a folder that is filled with what it copies.
type recipe struct {
	dockerfile string
	fill       func(ctx context.Context, folder string) error
	versions   string // of what is copied
}

const aptInstall = "RUN apt-get update && apt-get install -y --no-install-recommends %s && rm -rf /var/lib/apt/lists/*\n"

// recipes are those of official images, by name.
var recipes = map[string]recipe{
	"golang": {
		dockerfile: `COPY go /usr/local/go
ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GOPATH=/go GOTOOLCHAIN=local
COPY watchdog /warm/watchdog
COPY handler /warm/handler
RUN cd /warm/watchdog && go mod download && go vet ./watchdog \
    && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /dev/null ./watchdog/cmd/auth-watchdog \
    && cd /warm/handler && go vet . && go test . && CGO_ENABLED=0 go build -trimpath -o /dev/null . && rm -rf /warm
`,
		fill:     fillGo,
		versions: runtime.Version(),
	},
	"python": {
		dockerfile: fmt.Sprintf(aptInstall, "python3 python3-pip python3-venv python3-flask python3-waitress") +
			"RUN ln -s python3 /usr/bin/python && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED\n",
	},
	"node": {dockerfile: fmt.Sprintf(aptInstall, "nodejs npm")},
}

var release = regexp.MustCompile(`bullseye|bookworm|trixie`)

func makeImage(ctx context.Context, image string) error {
	name, tag, _ := strings.Cut(image, ":")
	suite := cmp.Or(release.FindString(tag), "bookworm")
	if name == "debian" {
		return makeDebian(ctx, image, suite)
	}
	r, ok := recipes[name]
	if !ok {
		return fmt.Errorf("it can't be pulled, and there is no recipe for %q", name)
	}
	debian := "debian:" + suite + "-slim"
	if err := makeDebian(ctx, debian, suite); err != nil {
		return err
	}
	sums, err := os.ReadFile(root + "/go.sum")
	if err != nil {
		return err
	}
	return unlessMade(ctx, image, fmt.Sprint(suite, r.dockerfile, r.versions, string(sums)), func(key string) error {
		folder, err := os.MkdirTemp("", "auth-watchdog-e2e-image-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		if r.fill != nil {
			if err := r.fill(ctx, folder); err != nil {
				return err
			}
		}
		text := "FROM " + debian + "\n" + r.dockerfile
		if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(text), 0o600); err != nil {
			return err
		}
		_, err = command(ctx, "docker", "build", "--label", madeLabel+"="+key, "--tag", image, folder)
		return err
	})
}

func makeDebian(ctx context.Context, image, suite string) error {
	return unlessMade(ctx, image, suite, func(key string) error {
		folder, err := os.MkdirTemp("", "auth-watchdog-e2e-debian-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		if _, err := command(ctx, "debootstrap", "--variant=minbase", "--include=ca-certificates", suite, folder); err != nil {
			return err
		}
		// Who has a proxy of his own to pass has its certificate here.
		const certificates = "/etc/ssl/certs/ca-certificates.crt"
		if text, err := os.ReadFile(certificates); err == nil {
			if err := os.WriteFile(folder+certificates, text, 0o644); err != nil {
				return err
			}
		}
		importImage := `tar -C "$0" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./proc --exclude=./sys -c . |` +
			` docker import --change "LABEL $1" --change "CMD [\"bash\"]" - "$2"`
		_, err = command(ctx, "sh", "-c", importImage, folder, madeLabel+"="+key, image)
		return err
	})
}

// unlessMade makes an image if it is not there, or was made from other things.
func unlessMade(ctx context.Context, image, from string, build func(key string) error) error {
	sum := sha256.Sum256([]byte(from))
	key := hex.EncodeToString(sum[:8])
	was, err := command(ctx, "docker", "image", "inspect", "--format", `{{index .Config.Labels "`+madeLabel+`"}}`, image)
	if err == nil && (was == "" || was == key) {
		return nil
	}
	fmt.Printf("making an image %s\n", image)
	return build(key)
}

// fillGo copies the Go installation, and what is compiled once so that its
// packages are in the image's build cache.
func fillGo(ctx context.Context, folder string) error {
	goRoot, err := command(ctx, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	for _, c := range []*exec.Cmd{
		exec.CommandContext(ctx, "sh", "-c", `mkdir "$1/go" "$1/watchdog" && tar -C "$0" --exclude=./test --exclude=./api --exclude=./doc -c . | tar -C "$1/go" -x`, goRoot, folder),
		exec.CommandContext(ctx, "cp", "-r", root+"/go.mod", root+"/go.sum", root+"/watchdog", folder+"/watchdog"),
		exec.CommandContext(ctx, "cp", "-r", "testdata/warm", folder+"/handler"),
	} {
		if _, err := output(c); err != nil {
			return err
		}
	}
	return nil
}
