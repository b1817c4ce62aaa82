"""Networks: rotation, encoders, contrastive pre-training, fine-tuning, and how torch computes."""
