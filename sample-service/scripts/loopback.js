// Imported first by every script. With NODE_USE_ENV_PROXY=1 and HTTP_PROXY, Node would send requests that scripts, tests and
// service make to this machine through the proxy, which cannot reach it.
import process from 'node:process'

// Node reads the lower case first.
const name = process.env.no_proxy === undefined ? 'NO_PROXY' : 'no_proxy'
process.env[name] = [process.env[name], 'localhost,127.0.0.1,[::1]'].filter(Boolean).join(',')
