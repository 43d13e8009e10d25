import { reference, subjects } from './catalogue.ts'

// Runs one server of the catalogue in its own process: node worker.js <name> <sink>. The parent reads the port.
const [name, sink = ''] = process.argv.slice(2)
const subject = [reference, ...subjects].find((each) => each.name === name)
if (subject === undefined) throw new Error(`worker: the catalogue has no server ${name}`)
Object.assign(process.env, subject.env(sink))
console.log(await subject.serve())
