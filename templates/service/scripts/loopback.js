// Every script imports this file first. With NODE_USE_ENV_PROXY=1 and HTTP_PROXY, Node would send requests to this machine
// through the proxy, which cannot reach it.
import process from 'node:process'

// Node prefers the name in lower case.
const name = process.env.no_proxy === undefined ? 'NO_PROXY' : 'no_proxy'
process.env[name] = [process.env[name], 'localhost,127.0.0.1,[::1]'].filter(Boolean).join(',')
