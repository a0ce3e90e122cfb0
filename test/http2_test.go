package test

import (
	"bytes"
	"crypto/tls"
	wire "encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"
)

// What HTTP/2 is made of, as far as these tests write it themselves (RFC 9113,
// RFC 7541).
const (
	frameData      = 0x0
	frameHeaders   = 0x1
	frameRSTStream = 0x3
	frameSettings  = 0x4
	frameGoAway    = 0x7

	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagAck        = 0x1

	codeCancel = 0x8 // an error code
)

// A field is a header field, or a pseudo-header field.
type field struct{ name, value string }

func replace(head []field, name, value string) []field {
	head = slices.Clone(head)
	for i, f := range head {
		if f.name == name {
			head[i].value = value
		}
	}
	return head
}

// head is that of a request with a good credential, which stands at the end.
func (p *port) head(method, path string) []field { return headOf(p.addr, method, path, ciKey) }

func headOf(host, method, path, key string) []field {
	return []field{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", host}, {"authorization", "Bearer " + key}}
}

// A frame is one that has come.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// An http2Conn is a caller's connection.
type http2Conn struct {
	t *testing.T
	*tls.Conn
}

func (p *port) dialHTTP2(t *testing.T) *http2Conn { return dialHTTP2(t, p.addr) }

func dialHTTP2(t *testing.T, addr string) *http2Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &http2Conn{t, conn}
	c.write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), encodeFrame(frameSettings, 0, 0, nil)...))
	return c
}

func (c *http2Conn) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func encodeFrame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := wire.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	b = wire.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// encodeHeaders is a HEADERS frame of literals that nobody has to remember.
func encodeHeaders(stream uint32, end bool, fields ...field) []byte {
	var block []byte
	text := func(s string) {
		const most = 127 // what fits into the first byte
		if n := len(s); n < most {
			block = append(block, byte(n))
		} else {
			block = wire.AppendUvarint(append(block, most), uint64(n-most))
		}
		block = append(block, s...)
	}
	for _, f := range fields {
		block = append(block, 0x10)
		text(f.name)
		text(f.value)
	}
	flags := byte(flagEndHeaders)
	if end {
		flags |= flagEndStream
	}
	return encodeFrame(frameHeaders, flags, stream, block)
}

func (c *http2Conn) headers(stream uint32, end bool, fields ...field) {
	c.t.Helper()
	c.write(encodeHeaders(stream, end, fields...))
}

// next reads a frame, and takes note of settings.
func (c *http2Conn) next() frame {
	c.t.Helper()
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			c.t.Fatalf("reading a frame: %v", err)
		}
		f := frame{kind: head[3], flags: head[4], stream: wire.BigEndian.Uint32(head[5:])}
		f.payload = make([]byte, wire.BigEndian.Uint32(append([]byte{0}, head[:3]...)))
		if _, err := io.ReadFull(c, f.payload); err != nil {
			c.t.Fatalf("reading a frame: %v", err)
		}
		if f.kind != frameSettings {
			return f
		}
		if f.flags&flagAck == 0 {
			c.write(encodeFrame(frameSettings, flagAck, 0, nil))
		}
	}
}

// answer is the status of the first answer on a connection, once it has ended;
// 0 if the stream was reset, or the connection given up.
func (c *http2Conn) answer(stream uint32) (status int) {
	c.t.Helper()
	for {
		f := c.next()
		switch {
		case f.kind == frameGoAway && wire.BigEndian.Uint32(f.payload[4:]) != 0, f.kind == frameRSTStream && f.stream == stream && status == 0:
			return 0
		case f.stream == stream && f.kind == frameHeaders && status == 0:
			status = f.status()
		}
		if f.stream == stream && (f.flags&flagEndStream != 0 && (f.kind == frameHeaders || f.kind == frameData)) {
			return status
		}
	}
}

// status reads :status at the beginning of the first head on a connection: a
// number of the static table, or digits, with or without the code of Huffman.
func (f frame) status() int {
	b := f.payload
	if b[0]&0x80 != 0 {
		return []int{200, 204, 206, 304, 400, 404, 500}[b[0]&0x7f-8]
	}
	if name := b[0] & 0x3f; name < 8 || name > 14 {
		panic(errors.New("no :status"))
	}
	if b[1]&0x80 == 0 {
		status, _ := strconv.Atoi(string(b[2 : 2+b[1]]))
		return status
	}
	bits := bytes.Buffer{}
	for _, c := range b[2 : 2+b[1]&0x7f] {
		for i := 7; i >= 0; i-- {
			bits.WriteByte(c >> i & 1)
		}
	}
	status := 0
	take := func(n int) (code int) {
		for _, bit := range bits.Next(n) {
			code = code<<1 | int(bit)
		}
		return code
	}
	for range 3 {
		code := take(5)
		if code > 2 { // 0, 1 and 2 have five bits, the others six
			code = code<<1 + take(1) - 0x19 + 3
		}
		status = status*10 + code
	}
	return status
}
