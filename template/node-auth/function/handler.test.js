'use strict'

const assert = require('node:assert')
const { test } = require('node:test')

const handle = require('./handler')

test('says who called', async () => {
  let got
  const context = { status: () => context, headers: () => context, succeed: (value) => { got = value } }

  await handle({ body: 'hi', headers: { 'x-auth-subject': 'me' }, method: 'POST', query: {}, path: '/' }, context)

  assert.strictEqual(got, 'Hello me, you sent "hi".\n')
})
