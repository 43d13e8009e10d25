// Lets Node load TypeScript: `node --import ./scripts/tsx.js <script>`. A script that lacks a package ends with a sentence.
import process from 'node:process'
import { endIfMissing } from './missing.js'

process.on('uncaughtExceptionMonitor', endIfMissing)
await import('tsx')
