import { reference, subjects } from './catalogue.ts'

// Runs one server of the catalogue in its own process: node worker.js <name>. The parent reads the port.
const [name] = process.argv.slice(2)
const subject = [reference, ...subjects].find((each) => each.name === name)
if (subject?.serve === undefined) throw new Error(`worker: the catalogue has no server ${name} to serve`)
console.log(await subject.serve())
