import { catalogue } from './catalogue.ts'
import { measure } from './measure.ts'

// Measures one entry of one case in its own process: node --expose-gc worker.js <case> <entry> <ms>. So other entries influence
// neither the compiler nor the heap. The parent reads one line of JSON.
const [name, index, ms] = process.argv.slice(2)
const entry = catalogue.find((each) => each.name === name)?.entries[Number(index)]
if (entry === undefined) throw new Error(`worker: the catalogue has no entry ${index} of ${name}`)
const sample = await measure(await entry.load(), Number(ms))
process.stdout.write(JSON.stringify(sample), () => {
  // Timers and fibers that a subject left would keep the process alive.
  process.exit(0)
})
