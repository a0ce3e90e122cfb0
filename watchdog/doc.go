// Package watchdog is the program auth-watchdog, as a library: a gate in front
// of an OpenFaaS function, with the servers, the life of the process, and what
// can be seen of it from outside. The program itself is a shell around [New]
// and [Watchdog.Run]; a Go function that has the gate in its own process calls
// [Run].
//
// # Three decisions from which the rest follows
//
// A gate, and functions behind it. Who may pass is decided by a library,
// package auth, that knows nothing of processes, files or metrics. The
// watchdog is one user of it.
//
// Nothing is decided at request time that could be decided at start. The
// environment becomes a Config, that becomes a Policy; each is immutable, and
// each step reports everything that is wrong at once. A request loads one
// pointer to a policy and keeps it.
//
// Closed unless it says open. Without auth or auth_config nothing starts; a path
// without a rule is refused; a method that cannot tell is a 503; a reload that
// fails changes nothing; a zero value admits nobody.
//
// # The house
//
// A package imports only from floors below its own. test/architecture_test.go
// holds this table and fails when it is not kept.
//
//	7  cmd/auth-watchdog   turns arguments into a call and its error into an exit status
//	6  internal/dev        runs a function's folder without a container
//	5  watchdog            builds the pipeline, runs it, swaps policies
//	4  internal/upstream/upstreamtest  what every upstream is held to
//	4  auth/login          signs people in, and recognises them by their sessions
//	3  auth/bearer         recognises tokens and keys
//	3  auth/basic          recognises users and passwords
//	3  auth/hmac           recognises signatures over requests
//	3  internal/account    reads and edits the users of sign-in
//	3  auth/authtest       what every method is held to
//	3  internal/config     turns text into a Config, or into every reason why not
//	3  internal/upstream   gets an answer from the function
//	3  internal/observe    records what became of each request
//	2  internal/password   compares passwords with their hashes, a few at a time
//	2  internal/keyline    reads the options behind a credential in a secret's line
//	1  auth                decides whether a request may pass, and as whom
//	1  internal/session    seals what a browser keeps for us
//	1  internal/page       renders the pages of sign-in
//	1  internal/setting    describes settings: name, default, meaning, range
//	1  internal/clientip   finds out who is at the other end
//	0  secret              reads secret files into values that do not print
//	0  internal/totp       knows the codes of authenticator apps, and recovery codes
//	0  internal/limit      bounds how many, how much and how often
//	1  internal/transport  sends requests to a server over connections that it keeps
//	1  internal/inbound    serves callers over connections that they keep
//	0  internal/socket     reads and writes connections without package net's precautions
//	0  internal/reply      answers a request that does not reach the function
//	0  internal/headers    knows header names in every spelling
//	0  internal/http1      knows how the lines of HTTP/1.1 are written
//
// Package auth and the methods bearer and hmac need the standard library and
// nothing else, so that a function can link them without a cost.
//
// # The way of a request
//
// The stages stand in pipeline.go in the order in which a request meets them:
//
//	probes    /_/health and /_/ready: no credential, no limit, no record
//	observe   sees all that follows, refusals and panics too
//	origin    takes away what the caller says of where it comes from
//	sign-in   the pages on which people sign in; no request for one gets past them
//	gate      who, and may they; nothing unauthenticated gets past this line
//	rate      after the gate: who is refused spends nothing of anybody's
//	slots     after the gate, or strangers would fill them
//	buffer    the whole body, if the function wants its length
//	deadline  the function's time begins here
//
// and behind them the Upstream, one for each mode: a handler, a Run that keeps
// the function going, and a Ready that says whether it would answer now.
//
// A request costs little because one goroutine takes it all the way. Package
// inbound reads it from the caller's connection and writes the answer there;
// package transport writes it to the function and reads the answer where it was
// asked to. What is out of the ordinary in a request or an answer both leave to
// net/http, so that there is one reading of it. Both use package socket, which spares
// Go's scheduler what it does for calls that may wait. The contexts of a request and of the
// function's work (execution.go) and the access log (observe.AccessLog) prepare
// nothing before it is asked for, and write many records at once. go run
// ./test/bench measures it.
//
// In the gate each method of the rule says one of three things of a request:
// nothing of mine is here (the next is asked), what is here is wrong (the next
// is asked, and the answer is 401), or I could not tell (the next is asked, and
// the answer is 503 or, where it was a bound, 429). The first that admits wins.
// These words become a decision in one place, auth.Rule.authenticate. Methods
// never see the ResponseWriter. A fourth word is for a webhook sender's
// handshake, which the gate answers in the function's place. And a method can
// ask to be told what became of a request that it admitted
// (auth.Request.OnSettled): a signature counts as used once the function has
// answered.
//
// # The way of a person
//
// Most methods recognise what a program sends on purpose. A session (package
// login) is different: the browser sends its cookie along whoever made it send
// the request. So the method is Ambient. It is asked last, and only of requests
// that bring nothing else; it counts a request that changes something, or opens
// a WebSocket, only if a page of public_url has made it; its cookie is taken off
// every request, public ones too; and what the function says nothing of in
// Cache-Control is not kept. A browser that opens a page without a session is
// sent to the pages of sign-in, which stand before the gate and let nothing
// through: /_/auth/ is theirs.
//
// A sign-in ends in login.Method.begin, whoever vouched for the person: a
// session.Session, sealed by the newest key of the ring and opened by any. It is
// good for one version of the user's record, so that whoever changes the record
// ends its sessions. What a process has to remember (failures, codes that were
// used, sessions that were signed out) is in login.Memory, which outlives
// policies and not the process; where that would break a promise, the start is
// refused without allow_degraded.
//
// # The way of a secret
//
// The files of a policy are read all at one moment into a secret.Set, twice,
// until both readings agree. The methods are built of it, and the policy of
// the methods. A Watcher looks at the files every two seconds; a change counts
// when it was seen twice, so that a file is never taken half-way. What was
// learned of callers (verified passwords, signatures that were used, failures, rates)
// does not live in a policy
// and is handed to the next one. The certificate of the port for callers is read
// with them; it and the policy are put in force each by itself.
//
// # What a function can rely on
//
//   - It gets no request that its policy does not admit.
//   - X-Auth-Subject, X-Auth-Method and X-Auth-Scopes are ours. What callers
//     send under these names, in any spelling, and under the names in which
//     other proxies tell who called, is gone.
//   - It does not see the credential, unless forward_credentials says so or the
//     rule is public. A signature stays.
//   - A body that was judged arrives byte for byte with its Content-Length; all
//     others stream. Trailers of requests do not arrive.
//   - X-Forwarded-For, -Host and -Proto say what the watchdog knows, not what
//     the caller claims.
//   - What a method has judged by, a signed header for instance, arrives: nothing
//     in Connection takes it away, and nothing stands beside it in another
//     spelling.
//   - The context of a request (in process) ends when its credential expires, and
//     so does the body.
//
// # Where does it go?
//
// Each of these has one place, and nothing else needs to change:
//
//	a webhook sender   a literal in auth/hmac/senders.go, and auth/hmac/testdata/NAME.txtar
//	a method           a package under auth whose test calls authtest.Test, a line in
//	                   methods.go, and its row in the table of floors
//	a page of sign-in  a function in internal/page, a case in
//	                   login.Method.ServeHTTP
//	a mode             a file in internal/upstream, a case in newUpstream, its name in
//	                   config.Mode
//	a setting          an entry in internal/config; of a method, in its Config.Fields
//	a stage            a line in pipeline.go
//	a metric           a field in internal/observe
//	a reason           a constant in auth/auth.go and its row in the table there
//	a command          a file in cmd/auth-watchdog and its name in commands
//
// The tables in the READMEs are made of these descriptions: go generate ./...
package watchdog

//go:generate go test . -run ^TestTables$ -update
