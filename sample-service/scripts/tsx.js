// Lets Node load TypeScript: `node --import ./scripts/tsx.js <script>`.
import { needingInstall } from './installed.js'

await needingInstall(() => import('tsx'))
