'use strict'

// What the tests of the template node-auth run in it: what it answers stands in
// the path.
const answers = {
  '/event': ({ body, method, path, query, headers }) => ({
    kind: Buffer.isBuffer(body) ? 'bytes' : typeof body,
    body: Buffer.isBuffer(body) ? body.toString('hex') : body,
    method,
    path,
    query,
    host: headers.host
  }),
  '/text': () => '<p>ü</p>',
  '/bytes': () => Buffer.from([0, 255, 10]),
  '/nothing': () => undefined,
  '/number': () => 42,
  '/headers': (event, context) => context.status(201).headers({ 'Set-Cookie': ['a=1', 'b=2'], 'Content-Type': 'text/x' }).succeed('made'),
  '/no-content': (event, context) => context.status(204).succeed(),
  '/fail': (event, context) => context.fail(new Error('no such thing')),
  '/fail-404': (event, context) => context.status(404).fail('no such thing'),
  '/throw': () => { throw new Error('of nobody’s business') },
  '/twice': (event, context) => { context.succeed('once'); context.succeed('twice') },
  '/bad-header': (event, context) => context.headers({ 'X-A': 'a\nb' }).succeed('never')
}

module.exports = (event, context, callback) => {
  if (event.path === '/callback') {
    setImmediate(callback, undefined, 'called back')
    return undefined
  }
  return (async () => answers[event.path](event, context))()
}
