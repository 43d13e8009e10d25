// Imported first by every script. With NODE_USE_ENV_PROXY=1 and HTTP_PROXY, Node would send what the scripts, the tests and the
// service ask of each other on this machine to the proxy, which does not find it.
import process from 'node:process'

// Node reads the lower case first.
const name = process.env.no_proxy === undefined ? 'NO_PROXY' : 'no_proxy'
process.env[name] = [process.env[name], 'localhost,127.0.0.1,[::1]'].filter(Boolean).join(',')
