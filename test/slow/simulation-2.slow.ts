import { slowSimulation } from "../simulation/slow-simulation.ts";

slowSimulation(1);
