/** Takes inquirer's place in the bundle: no generator of the command has a prompt of plop's. */
export default {}
