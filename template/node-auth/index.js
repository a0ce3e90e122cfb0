'use strict'

// The server behind auth-watchdog: it hands each request that the watchdog has
// let through to the function's handler, and nobody else can reach it.

const fs = require('node:fs')
const http = require('node:http')
const querystring = require('node:querystring')
const zlib = require('node:zlib')

const handler = require('./function/handler')

// What is asked, as in node22.
class FunctionEvent {
  constructor (req, body) {
    const [path, query] = split(req.url)
    this.body = body
    this.headers = req.headers
    this.method = req.method
    this.query = { ...querystring.parse(query) }
    this.path = path
  }
}

// How the handler answers, as in node22.
class FunctionContext {
  constructor (cb) {
    this.statusCode = 200
    this.headerValues = {}
    this.cb = cb
  }

  status (statusCode) {
    if (statusCode === undefined) {
      return this.statusCode
    }
    this.statusCode = statusCode
    return this
  }

  headers (value) {
    if (!value) {
      return this.headerValues
    }
    this.headerValues = value
    return this
  }

  succeed (value) {
    this.cb(undefined, value)
  }

  fail (value) {
    if (this.statusCode === 200) {
      this.status(500)
    }
    this.cb(value || 'failed')
  }
}

// A refusal is of a request that does not get to the handler.
class Refusal extends Error {
  constructor (status) {
    super(http.STATUS_CODES[status])
    this.status = status
  }
}

function split (url) {
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

// size reads "100kb", "1mb" or a number of bytes.
function size (name, text) {
  const [, number, unit] = /^(\d+)(b|kb|mb|gb)?$/i.exec(text) ?? []
  if (number === undefined) {
    throw new Error(`${name}="${text}": want a size such as 100kb, 5mb or 1048576`)
  }
  return number * 1024 ** ['b', 'kb', 'mb', 'gb'].indexOf((unit ?? 'b').toLowerCase())
}

function settings (env) {
  return {
    raw: env.RAW_BODY === 'true',
    maxRaw: size('MAX_RAW_SIZE', env.MAX_RAW_SIZE || '100kb'),
    maxJSON: size('MAX_JSON_SIZE', env.MAX_JSON_SIZE || '100kb')
  }
}

async function read (req, limit) {
  const chunks = []
  let length = 0
  for await (const chunk of req) {
    length += chunk.length
    if (length > limit) {
      throw new Refusal(413)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const decoders = { gzip: zlib.gunzipSync, deflate: zlib.inflateSync, br: zlib.brotliDecompressSync }

function decode (bytes, encoding, limit) {
  if (encoding === 'identity' || bytes.length === 0) {
    return bytes
  }
  if (!Object.hasOwn(decoders, encoding)) {
    throw new Refusal(415)
  }
  try {
    return decoders[encoding](bytes, { maxOutputLength: limit })
  } catch (err) {
    throw new Refusal(err.code === 'ERR_BUFFER_TOO_LARGE' ? 413 : 400)
  }
}

function text (bytes, charset) {
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    throw new Refusal(415)
  }
}

function json (text) {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal(400)
  }
}

// parse reads the body as its type says: JSON and forms as objects, text as a
// string, anything else as a Buffer, which RAW_BODY=true makes of all.
async function parse (req, { raw, maxRaw, maxJSON }) {
  const type = req.headers['content-type'] ?? 'text/plain'
  const media = type.split(';', 1)[0].trim().toLowerCase()
  const limit = media === 'application/json' && !raw ? maxJSON : maxRaw
  const encoding = (req.headers['content-encoding'] ?? 'identity').toLowerCase()
  const bytes = decode(await read(req, limit), encoding, limit)
  if (bytes.length === 0) {
    return raw ? bytes : {} // as body-parser has it
  }
  const [, charset = 'utf-8'] = /;\s*charset="?([^\s;"]+)/i.exec(type) ?? []
  if (raw) {
    return bytes
  } else if (media === 'application/json') {
    return json(text(bytes, charset))
  } else if (media === 'application/x-www-form-urlencoded') {
    return { ...querystring.parse(text(bytes, charset)) }
  } else if (media.startsWith('text/')) {
    return text(bytes, charset)
  }
  return bytes
}

// encode is what goes over the line for a handler's result, and its type.
function encode (value) {
  if (value === undefined || value === null) {
    return ['', undefined]
  } else if (value instanceof Uint8Array) {
    return [value, 'application/octet-stream']
  } else if (typeof value === 'object' || typeof value === 'boolean') {
    return [JSON.stringify(value), 'application/json; charset=utf-8']
  }
  return [String(value), 'text/html; charset=utf-8'] // as express has it
}

function send (res, status, headers, value) {
  const [body, type] = encode(value)
  for (const [name, value] of Object.entries(headers)) {
    res.setHeader(name, value)
  }
  if (type && !res.hasHeader('Content-Type')) {
    res.setHeader('Content-Type', type)
  }
  res.statusCode = status
  res.end(body)
}

// plain answers without the handler. The reason is for the log only.
function plain (res, status) {
  for (const name of res.getHeaderNames()) {
    res.removeHeader(name)
  }
  const headers = { 'Content-Type': 'text/plain; charset=utf-8' }
  if (status === 413) {
    headers.Connection = 'close' // the rest of the body is not read
  }
  send(res, status, headers, `${http.STATUS_CODES[status]}\n`)
}

// call has the handler answer, through the context, its callback or what it
// returns, whichever is first.
async function call (handle, event, res) {
  await new Promise((resolve, reject) => {
    const context = new FunctionContext((err, value) => {
      try {
        if (err) {
          console.error(err)
        }
        if (res.headersSent) {
          return
        }
        if (err) {
          send(res, context.status(), { 'Content-Type': 'text/plain; charset=utf-8' }, String(err))
        } else {
          send(res, context.status(), context.headers(), value)
        }
        resolve()
      } catch (err) { // a header or a status that is none
        reject(err)
      }
    })
    const callback = (err, value) => err ? context.fail(err) : context.succeed(value)
    const result = handle(event, context, callback)
    if (result === undefined && handle.length > 2) {
      return // the callback is still to come
    }
    Promise.resolve(result).then(value => context.succeed(value)).catch(reject)
  })
}

function listener (handle, limits) {
  return async (req, res) => {
    try {
      await call(handle, new FunctionEvent(req, await parse(req, limits)), res)
    } catch (err) {
      if (!(err instanceof Refusal)) {
        console.error(err)
      }
      if (!res.headersSent) {
        plain(res, err instanceof Refusal ? err.status : 500)
      }
    }
  }
}

function serve (env) {
  const [, path] = /^unix:\/\/(\/.+)$/.exec(env.upstream_url ?? '') ?? []
  if (!path) {
    throw new Error(`upstream_url="${env.upstream_url ?? ''}": want unix:///tmp/function.sock`)
  }
  const server = http.createServer(listener(handler, settings(env)))
  // The watchdog bounds how long callers and handler may take.
  server.requestTimeout = server.headersTimeout = server.keepAliveTimeout = 0
  fs.rmSync(path, { force: true })
  const before = process.umask(0o177) // the socket is made with mode 0600
  server.listen(path, () => process.umask(before))
  process.once('SIGTERM', () => server.close())
}

if (require.main === module) {
  serve(process.env)
}

module.exports = { listener, settings }
