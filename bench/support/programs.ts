import { rmSync } from 'node:fs'
import { joinPrograms } from '../../templates/service/test/programs.ts'
import { programIn } from '../../templates/service/test/support/programs.ts'

const folders = new Map<string, Promise<string>>()

/**
 * The main of a service, joined as for its own tests, that serves the probe routes of those.
 * The service's programs are joined once, and removed when this process exits.
 * @param service the folder of the service
 * @returns the path of a program for Node
 */
export async function probedMain(service: string): Promise<string> {
  let folder = folders.get(service)
  if (folder === undefined) folders.set(service, (folder = join(service)))
  return programIn(await folder, 'test/support/probe.routes.ts')
}

async function join(service: string): Promise<string> {
  const { folder } = await joinPrograms(service)
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
