"""Who works on images: processes of this machine, or workers of Ray on many."""
