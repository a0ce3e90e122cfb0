package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// nginxConfig does what a watchdog with auth=bearer does, as far as nginx can.
const nginxConfig = `%[1]s
daemon off;
master_process on;
worker_processes 2;
pid %[2]s/pid;
error_log stderr;
events { worker_connections 1024; }
http {
  access_log %[2]s/access;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  keepalive_requests 1000000000;
  upstream handler {
    server unix:%[2]s/socket;
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen %[3]s;
    location / {
      if ($http_authorization != "Bearer %[4]s") { return 401; }
      proxy_pass http://handler;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`

// beginNginx starts nginx and, because it starts none, the handler.
func (s *site) beginNginx(t *target, folder string) error {
	user := ""
	if os.Getuid() == 0 {
		user = "user root root;" // its workers must reach what is in a folder of ours
	}
	config := filepath.Join(folder, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, user, folder, t.address, key)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	// Its own log is not nginx's, so it has a folder of its own.
	sub := filepath.Join(folder, "handler")
	if err := os.Mkdir(sub, 0o700); err != nil {
		return err
	}
	p, err := begin(folder, []string{s.programs[webProxy], "-p", folder, "-c", config}, nil)
	if err != nil {
		return err
	}
	t.processes = []*process{p}
	h, err := begin(sub, []string{s.handler, "unix", filepath.Join(folder, "socket")}, nil)
	if err != nil {
		t.end()
		return err
	}
	t.processes = append(t.processes, h)
	t.logs = []string{filepath.Join(folder, "access")}
	return nil
}
