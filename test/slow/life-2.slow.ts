import { slowLives } from "../simulation/life/slow-lives.ts";

slowLives(1);
