import { tsImport } from 'tsx/esm/api'

// `npx plop` starts here. The generators are TypeScript; Node 20 does not strip types, so tsx loads them.
const { default: plopfile } = await tsImport('./generators/engine/plopfile.ts', import.meta.url)

export default plopfile
