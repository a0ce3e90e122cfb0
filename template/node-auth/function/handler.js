'use strict'

// Answers requests that the watchdog has let through. Who is calling stands in
// headers that only the watchdog can set.
module.exports = async (event, context) => {
  return context
    .status(200)
    .headers({ 'Content-Type': 'text/plain; charset=utf-8' })
    .succeed(`Hello ${event.headers['x-auth-subject']}, you sent ${JSON.stringify(event.body)}.\n`)
}
