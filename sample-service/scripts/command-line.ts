/** The arguments of this process. Of `pnpm run add -- route report`, pnpm and Yarn also pass on the `--`, which npm removes. */
export function commandLine(): string[] {
  const args = process.argv.slice(2)
  return args[0] === '--' ? args.slice(1) : args
}
