package watchdog

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
)

// Settings are process settings by the names that the README lists:
//
//	watchdog.Settings{"auth": "bearer", "max_inflight": "10"}
//
// Each name must be one of them, of the form auth_METHOD_FIELD, or one of
// OPENFAAS_NAME, the function's name for challenges and logs, and TMPDIR, the
// folder of the lock file.
type Settings map[string]string

// Environ returns those of the entries of an environment ("name=value", as
// [os.Environ] has them) that are settings or begin with "auth_".
func Environ(environ []string) Settings {
	s := Settings{}
	known := config.Names()
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if ok && (known[name] || strings.HasPrefix(name, "auth_")) {
			s[name] = value
		}
	}
	return s
}

// load reads the settings, to which a handler adds that it is the function.
func load(o Options) (*config.Config, setting.Problems) {
	settings := maps.Clone(o.Settings)
	if settings == nil {
		settings = Settings{}
	}
	inProcess := string(config.InProcess)
	if o.Handler != nil && settings["mode"] == "" {
		settings["mode"] = inProcess
	}
	cfg, ps := config.Load(settings, kinds())
	switch mode := settings["mode"]; {
	case o.Handler != nil && mode != inProcess:
		ps.Add("", "mode", fmt.Errorf("is %s, and the function is part of this program: want %s", mode, inProcess))
	case o.Handler == nil && mode == inProcess:
		ps.Add("", "mode", errors.New("inproc is for Go programs that hand their handler to watchdog.Run: want http, with upstream_url, streaming, serializing or static"))
	}
	return cfg, ps
}

func kinds() config.Kinds {
	k := config.Kinds{}
	for name, kind := range methods {
		k[name] = kind.section
	}
	return k
}
