// Lets Node load TypeScript: `node --import ./scripts/tsx.js <script>`. A script that lacks a package ends with a sentence.
import process from 'node:process'
import './loopback.js'
import { endIfMissing, requireNode } from './missing.js'

requireNode()
process.on('uncaughtExceptionMonitor', endIfMissing)
await import('tsx')
