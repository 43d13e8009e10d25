import { catalogue } from './catalogue.ts'
import { measure } from './measure.ts'

// One case and one entry of the catalogue, in a process of its own: node --expose-gc worker.js <case> <entry> <ms>.
// What others made the compiler assume, or left on the heap, is not here. The parent reads one line of JSON.
const [name, index, ms] = process.argv.slice(2)
const entry = catalogue.find((each) => each.name === name)?.entries[Number(index)]
if (entry === undefined) throw new Error(`worker: the catalogue has no entry ${index} of ${name}`)
const sample = await measure(await entry.load(), Number(ms))
process.stdout.write(JSON.stringify(sample), () => {
  // Timers and fibers that a subject left would keep the process.
  process.exit(0)
})
